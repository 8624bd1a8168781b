"""gettext's catalogs (`locales/LANGUAGE/LC_MESSAGES/bot.po`), compiled in memory."""

import functools
import io
from collections.abc import Iterable
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from bot.i18n.languages import ENGLISH

FOLDER: Final = Path(__file__).parent / "locales"


def catalog_path(language: str) -> Path:
    """The file of a language's catalog."""
    return FOLDER / language / "LC_MESSAGES" / "bot.po"


@functools.cache
def catalog(language: str) -> Catalog:
    """The catalog as it is written; empty for a language that has none."""
    path = catalog_path(language)
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def forms(text: str | Iterable[str | None] | None) -> list[str]:
    """The singular and the plurals of a message or of its translation, without missing ones."""
    if text is None:
        return []
    return [form for form in ([text] if isinstance(text, str) else text) if form]


@functools.cache
def translation(language: str) -> NullTranslations:
    """What looks messages up; those that are missing or fuzzy stay English."""
    if language == ENGLISH:
        return NullTranslations()
    file = io.BytesIO()
    write_mo(file, catalog(language))
    file.seek(0)
    return GNUTranslations(file)
