"""Numbers that users type; pure. Digits may be full-width, and decimals have a point or a comma."""

import re
import unicodedata
from typing import Final

from bot.errors import Refused
from bot.i18n import _, decimal

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,15}")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,6}(?:[.,][0-9]{0,6})?|[.,][0-9]{1,6})")


def read_integer(text: str) -> int | None:
    """The whole number in a text; None if it has none."""
    plain = _plain(text)
    return int(plain) if _INTEGER.fullmatch(plain) else None


def read_number(text: str) -> float | None:
    """The number in a text; None if it has none."""
    plain = _plain(text)
    return float(plain.replace(",", ".")) if _NUMBER.fullmatch(plain) else None


def parse_number(text: str, name: str, most: float) -> float:
    """The number from 0 to `most` in a text.

    Raises Refused, which says what `name` may be.
    """
    number = read_number(text)
    if number is None or not 0 <= number <= most:
        sentence = _("The {name} is “{text}”; it must be a number from 0 to {most}.")
        raise Refused(sentence.format(name=name, text=text[:20], most=decimal(most)))
    return number


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()
