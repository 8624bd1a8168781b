"""Numbers and lists in the current language."""

from collections.abc import Sequence

from babel import Locale
from babel.lists import format_list
from babel.numbers import format_decimal

from bot.i18n.languages import ENGLISH
from bot.i18n.translate import current_language


def decimal(value: float) -> str:
    """A number in a sentence: `7.5`, or `7,5` in German."""
    language = current_language()
    if language == ENGLISH:
        return f"{value:g}"
    return format_decimal(value, format="0.######", locale=Locale.parse(language))


def enumeration(words: Sequence[str]) -> str:
    """`a`, `a and b`, or `a, b and c`."""
    language = current_language()
    if language != ENGLISH:
        return format_list(list(words), locale=Locale.parse(language))
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
