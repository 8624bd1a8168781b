"""The values that a user gives for one option of /explore: a value, a list or a range; pure.

`12,24,38,50` is a list, `4..12` and `4..12:2` are ranges with both ends, and both can be mixed.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from bot.errors import Refused
from bot.i18n import _, pgettext

MAX_TEXT: Final = 300
"""Characters of the text of an option."""
_NUMBER: Final = r"[+-]?\d{1,12}(?:\.\d{1,6})?"
_RANGE: Final = re.compile(
    rf"(?P<first>{_NUMBER})\s*\.\.\s*(?P<last>{_NUMBER})(?:\s*:\s*(?P<step>{_NUMBER}))?"
)
_EXCERPT: Final = 40


class Values(msgspec.Struct, frozen=True):
    """The values of one option, which may be too many to list them."""

    option: str
    parts: tuple[range | str, ...]
    """Ranges of numbers in units of `unit`, and single values as they were typed."""
    unit: Decimal = Decimal(1)

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(1 if isinstance(part, str) else _length(part) for part in self.parts)

    def texts(self) -> tuple[str, ...]:
        """The values in order. Raises Refused if one is repeated."""
        texts: list[str] = []
        for part in self.parts:
            if isinstance(part, str):
                texts.append(_plain(part))
            else:
                texts += [_plain(str(number * self.unit)) for number in part]
        for text in texts:
            if texts.count(text) > 1:
                raise Refused(
                    _("The option {option} has the value {text} more than once.").format(
                        option=pgettext("option name", self.option), text=text
                    )
                )
        return tuple(texts)


def parse_values(option: str, text: str) -> Values:
    """The values of this text. Raises Refused, which names what is not understood."""
    if len(text) > MAX_TEXT:
        raise Refused(
            _("The option {option} has {count} characters; at most {limit} are allowed.").format(
                option=pgettext("option name", option), count=len(text), limit=MAX_TEXT
            )
        )
    items = [item.strip() for item in text.split(",")]
    if not all(items):
        raise Refused(
            _("The option {option} has an empty value: “{text}”.").format(
                option=pgettext("option name", option), text=text[:_EXCERPT]
            )
        )
    ranges = [match for item in items if (match := _RANGE.fullmatch(item))]
    unit = min((_unit(match) for match in ranges), default=Decimal(1))
    return Values(option, tuple(_part(option, item, unit) for item in items), unit)


def as_integers(option: str, texts: Sequence[str]) -> tuple[int, ...]:
    """The values as whole numbers. Raises Refused, which names the one that is none."""
    for text in texts:
        if not re.fullmatch(r"-?\d+", text):
            raise Refused(
                _("The option {option} has the value “{text}”, which is no whole number.").format(
                    option=pgettext("option name", option), text=text
                )
            )
    return tuple(int(text) for text in texts)


def as_numbers(option: str, texts: Sequence[str]) -> tuple[float, ...]:
    """The values as numbers. Raises Refused, which names the one that is none."""
    for text in texts:
        if not re.fullmatch(_NUMBER, text):
            raise Refused(
                _("The option {option} has the value “{text}”, which is no number.").format(
                    option=pgettext("option name", option), text=text
                )
            )
    return tuple(float(text) for text in texts)


def _part(option: str, item: str, unit: Decimal) -> range | str:
    match = _RANGE.fullmatch(item)
    if match is None:
        if ".." in item:
            raise Refused(
                _(
                    "The option {option} has “{item}”, which is no range. Ranges look "
                    "like 4..12 or 4..12:2."
                ).format(option=pgettext("option name", option), item=item[:_EXCERPT])
            )
        return item[:_EXCERPT]
    first, last = Decimal(match["first"]), Decimal(match["last"])
    step = Decimal(match["step"] or 1)
    if step <= 0:
        raise Refused(
            _("The range {item} of the option {option} needs a step above 0.").format(
                item=item, option=pgettext("option name", option)
            )
        )
    if last < first:
        raise Refused(
            _("The range {item} of the option {option} ends before it begins.").format(
                item=item, option=pgettext("option name", option)
            )
        )
    return range(int(first / unit), int(last / unit) + 1, int(step / unit))


def _unit(match: "re.Match[str]") -> Decimal:
    """The place value of the last digit of any number of a range."""
    numbers = (match["first"], match["last"], match["step"] or "1")
    decimals = max(len(number.partition(".")[2]) for number in numbers)
    return Decimal(1).scaleb(-decimals)


def _length(part: range) -> int:
    """Also of ranges that are too long for `len`."""
    return max(0, (part.stop - part.start + part.step - 1) // part.step)


def _plain(text: str) -> str:
    """A number in its shortest form, so that 7 and 7.0 are the same; other texts as they are."""
    if not re.fullmatch(_NUMBER, text):
        return text
    number = Decimal(text).normalize()
    return f"{number:f}" if number else "0"
