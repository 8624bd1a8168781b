"""The values of an option of /explore: a value, a list or a range."""

import pytest

from bot.domain.axes import as_integers, as_numbers, parse_values
from bot.errors import Refused


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("12", ("12",)),
        ("12,24, 38 ,50", ("12", "24", "38", "50")),
        ("4..8", ("4", "5", "6", "7", "8")),
        ("4..12:2", ("4", "6", "8", "10", "12")),
        ("4..11:2", ("4", "6", "8", "10")),
        ("1, 4..6", ("1", "4", "5", "6")),
        ("0.1..0.3:0.1", ("0.1", "0.2", "0.3")),
        ("0.5..2:0.5,7.25", ("0.5", "1", "1.5", "2", "7.25")),
        ("1..2, 0.25..0.5:0.25", ("1", "2", "0.25", "0.5")),
        ("7.0", ("7",)),
        ("-1..1", ("-1", "0", "1")),
        ("euler, ddim", ("euler", "ddim")),
    ],
)
def test_lists_and_ranges(text: str, values: tuple[str, ...]) -> None:
    """Ranges have both ends, and numbers are exact decimals."""
    parsed = parse_values("steps", text)
    assert parsed.texts() == values
    assert parsed.count == len(values)


def test_a_huge_range_is_counted_without_listing_it() -> None:
    """It can be refused at once."""
    assert parse_values("seed", "0..999999999999:0.000001").count > 10**17


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty value"),
        ("12,,24", "empty value"),
        ("12..", "“12..”, which is no range"),
        ("a..b", "“a..b”, which is no range"),
        ("12..4", "12..4 of the option steps ends before it begins"),
        ("4..12:0", "needs a step above 0"),
        ("4..12:-2", "needs a step above 0"),
        ("9" * 301, "301 characters; at most 300"),
        ("12,24,12", "the value 12 more than once"),
        ("7,7.0", "the value 7 more than once"),
        ("1..3,2", "the value 2 more than once"),
    ],
)
def test_what_is_not_understood_is_named(text: str, words: str) -> None:
    """The sentence is for the user."""
    with pytest.raises(Refused, match=words):
        parse_values("steps", text).texts()


def test_numbers_are_converted() -> None:
    """A value that is none is named."""
    assert as_integers("steps", ["4", "-1"]) == (4, -1)
    assert as_numbers("guidance", ["4.5"]) == (4.5,)
    with pytest.raises(Refused, match=r"option steps has the value “4\.5”, which is no whole"):
        as_integers("steps", ["4", "4.5"])
    with pytest.raises(Refused, match="option guidance has the value “nan”, which is no number"):
        as_numbers("guidance", ["nan"])
