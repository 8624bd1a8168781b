"""Translation of sentences that are stored in English, with their values.

The database has the sentence as English people read it, so that a later reader may have it in any
language.
"""

import functools
import re
from typing import Final

from bot.i18n.catalogs import catalog, forms, translation
from bot.i18n.languages import ENGLISH
from bot.i18n.translate import current_language

_PLACEHOLDER: Final = re.compile(r"\{(\w+)(?::[^{}]*)?\}")
_MAX_CHARS: Final = 600
"""Of a sentence; longer texts are lists or messages of several lines."""
_MIN_WORDS: Final = 2
"""Words that a message has beside its placeholders: less would match anything."""


def from_english(text: str) -> str:
    """The sentences in the current language; those that no catalog has stay English."""
    language = current_language()
    if language == ENGLISH or not text:
        return text
    parts = [part for part in re.split(r"(?<=[.!?])( )|(\n)", text) if part]
    exact = [part if part.isspace() else _exact(part, language) for part in (text, *parts)]
    if exact[0] is not None:
        return exact[0]
    sentences = [part for part in exact[1:] if part is not None]
    if len(sentences) == len(parts):
        return "".join(sentences)
    whole = _translate(text, language)
    if whole is not None:
        return whole
    return "".join(_translate(part, language) or part for part in parts)


def _exact(text: str, language: str) -> str | None:
    """A message without values in the language; None if it is none of the catalog."""
    target = translation(language).gettext(text)
    return None if target == text else target


def _translate(text: str, language: str) -> str | None:
    """One message in the language; None if it is none of the catalog."""
    exact = _exact(text, language)
    if exact is not None:
        return exact
    if len(text) > _MAX_CHARS:
        return None
    for pattern, message in _patterns(language):
        match = pattern.fullmatch(text)
        if match is not None:
            values = {name: _translate(v, language) or v for name, v in match.groupdict().items()}
            return message.format_map(values)
    return None


@functools.cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """What matches each English message with values, and its translation; the longest first."""
    pairs = []
    for message in catalog(language):
        if not message.id or message.context or message.fuzzy:
            continue
        targets = forms(message.string)
        for nth, source in enumerate(forms(message.id)):
            target = targets[min(nth, len(targets) - 1)] if targets else ""
            if target and _PLACEHOLDER.search(source) and _word_count(source) >= _MIN_WORDS:
                pairs.append((source, _without_formats(target)))
    pairs.sort(key=lambda pair: (-len(_PLACEHOLDER.sub("", pair[0])), pair[0]))
    return [(re.compile(_regex(source), re.DOTALL), target) for source, target in pairs]


def _word_count(source: str) -> int:
    return len(re.findall(r"[^\W\d_]{2,}", _PLACEHOLDER.sub("", source)))


def _regex(source: str) -> str:
    """Matches the message with any values."""
    names: set[str] = set()
    regex, end = "", 0
    for match in _PLACEHOLDER.finditer(source):
        name = match[1]
        regex += re.escape(source[end : match.start()])
        regex += f"(?P={name})" if name in names else f"(?P<{name}>.+?)"
        names.add(name)
        end = match.end()
    return regex + re.escape(source[end:])


def _without_formats(target: str) -> str:
    """The message with values as they are stored, which are text."""
    return _PLACEHOLDER.sub(r"{\1}", target)
