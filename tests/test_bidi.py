"""The order of the parts of a line that are read in different directions."""

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.contract.images import bidi


def drawn(text: str) -> str:
    """The characters of a line from left to right."""
    pairs = zip(bidi.levels(text), text, strict=True)
    parts = []
    for level, group in groupby(pairs, key=lambda pair: pair[0]):
        part = "".join(character for _, character in group)
        parts.append((level, bidi.turned(part) if level % 2 else part))
    return "".join(bidi.reorder(parts))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a red house (7.5)", "a red house (7.5)"),
        ("אבג", "גבא"),
        ("אב גד", "דג בא"),
        ("prompt אב גד -> steps 5", "prompt דג בא -> steps 5"),
        ("אב abc גד", "דג abc בא"),
        ("אב 7.5 גד", "דג 7.5 בא"),
        ("אב 12% 3,5", "3,5 12% בא"),
        ("(אב:1.2) house", "house (1.2:בא)"),
        ("a אב (2 x) b", "a בא (2 x) b"),
        ("a (אב) b", "a (בא) b"),
        ("a אב (גד) b", "a (דג) בא b"),
        ("] אב [", "] בא ["),
        ("אב…", "…בא"),
        ("12 אב", "בא 12"),
    ],
)
def test_words_of_both_directions_are_drawn_in_the_order_of_reading(
    text: str, expected: str
) -> None:
    """As Unicode's algorithm has it; the first letter decides the direction of the line."""
    assert drawn(text) == expected


@given(st.text(alphabet="ab אב()[]1.,%-\u0301\u05b0", max_size=24))
def test_no_character_is_lost(text: str) -> None:
    """Every line keeps its characters; one without letters from the right also their order."""
    assert sorted(without_sides(drawn(text))) == sorted(without_sides(text))
    if not set("אב") & set(text):
        assert drawn(text) == text


def without_sides(text: str) -> str:
    """The text with each bracket opening."""
    return text.translate(str.maketrans(")]", "(["))
