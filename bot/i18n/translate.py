"""Translation into the current language, which is that of the task that runs.

Placeholders have names: `_("At most {limit} pictures.").format(limit=4)`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from bot.i18n.catalogs import translation
from bot.i18n.languages import ENGLISH, LANGUAGES

_language: Final = ContextVar("language", default=ENGLISH)


def current_language() -> str:
    """The code of the language that sentences are translated into now."""
    return _language.get()


def set_language(language: str) -> None:
    """Translate into this language for the rest of the task."""
    _language.set(language)


@contextmanager
def in_language(language: str) -> Iterator[None]:
    """Translate into this language in the body."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def _(message: str) -> str:
    """The message in the current language; English where the catalog has none."""
    return translation(current_language()).gettext(message) if message else ""


def ngettext(singular: str, plural: str, n: int) -> str:
    """The form for this number."""
    return translation(current_language()).ngettext(singular, plural, n)


def pgettext(context: str, message: str) -> str:
    """The message where it means this, or has the limits of this, such as a button."""
    return pgettext_in(current_language(), context, message)


def pgettext_in(language: str, context: str, message: str) -> str:
    """As `pgettext`, in this language."""
    return translation(language).pgettext(context, message) if message else ""


def command_name(name: str) -> str:
    """The qualified name of a command as Discord's clients show it in the current language."""
    return " ".join(pgettext("command name", word) for word in name.split())


def in_all_languages(message: str) -> tuple[str, ...]:
    """The message and its translations, to recognize one of them in a text of the bot."""
    return (message, *(translation(language).gettext(message) for language in LANGUAGES))


def N_(message: str) -> str:
    """Mark a constant, which is translated by `_` when it is shown."""
    return message


def NP_(context: str, message: str) -> str:
    """Mark a constant, which is translated by `pgettext` when it is shown."""
    return message
