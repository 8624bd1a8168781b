"""The size of the pictures of a request."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.picture_size import MAX_TYPED, SUGGESTED, chosen_size, nearest_size, parse_aspect
from bot.errors import Refused
from engine.contract import MIN_SIZE
from tests.fake_engine import MODEL

LARGE = msgspec.structs.replace(MODEL, native_size=512, max_pixels=1024 * 1024)


@pytest.mark.parametrize(
    ("text", "ratio"),
    [
        *(("wide", 16 / 9), (" Square ", 1.0), ("3:2", 1.5), ("2 : 3", 2 / 3), ("1,5:1", 1.5)),
        *(("16x9", 16 / 9), ("16/9", 16 / 9), ("1.91:1", 1.91)),
    ],
)
def test_aspects_are_names_or_ratios(text: str, ratio: float) -> None:
    """As people type them."""
    assert parse_aspect(text) == pytest.approx(ratio)


@pytest.mark.parametrize(
    "text", ["round", "", "0:1", "3:0", "3", "3:2:1", "-3:2", "1e5:1", "x" * 99]
)
def test_other_aspects_are_refused(text: str) -> None:
    """The sentence says what there is."""
    with pytest.raises(
        Refused, match=r"There is no aspect “.{0,50}”\. Choose one of: square, port"
    ):
        parse_aspect(text)


def test_all_suggestions_are_aspects() -> None:
    """Discord shows at most 25."""
    assert len({parse_aspect(text) for text in SUGGESTED}) > 10
    assert len(SUGGESTED) <= 25


@pytest.mark.parametrize(
    ("options", "size", "note"),
    [
        ({}, (512, 512), ""),
        ({"aspect": "3:2"}, (624, 416), ""),
        ({"aspect": "100:1"}, (1024, 256), "The aspect 100:1 was changed to 4:1."),
        ({"aspect": "1:9"}, (256, 1024), "The aspect 1:9 was changed to 1:4."),
        ({"width": 640, "height": 384}, (640, 384), ""),
        ({"width": 640}, (640, 512), ""),
        ({"height": 640}, (512, 640), ""),
        ({"width": 600, "aspect": "3:2"}, (600, 400), ""),
        ({"height": 341, "aspect": "3:2"}, (512, 344), "512x341 was changed to 512x344"),
        ({"width": 512, "aspect": "3:2"}, (512, 344), ""),
        ({"width": 501, "height": 700}, (504, 704), "501x700 was changed to 504x704, the nearest"),
        ({"width": 2000, "height": 1000}, (1440, 728), "2000x1000 was changed to 1440x728"),
        ({"width": 1, "height": 1}, (64, 64), "1x1 was changed to 64x64"),
        ({"width": 10_000, "height": 10_000}, (1024, 1024), "10000x10000 was changed to 1024x1024"),
    ],
)
def test_sizes(options: dict[str, str | int], size: tuple[int, int], note: str) -> None:
    """What the model paints, and a sentence if it is not what was typed."""
    chosen = chosen_size(LARGE, **options)  # type: ignore[arg-type] # any options
    assert chosen.size == size
    assert chosen.notes == () if not note else note in chosen.notes[0]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"width": 0}, "The width is 0; it must be 1 to 10000."),
        ({"height": 10_001}, "The height is 10001; it must be 1 to 10000."),
        ({"width": 64, "height": 64, "aspect": "1:1"}, "or one of them and the aspect"),
    ],
)
def test_impossible_sizes_are_refused(options: dict[str, str | int], sentence: str) -> None:
    """In a sentence for the user."""
    with pytest.raises(Refused, match=sentence):
        chosen_size(LARGE, **options)  # type: ignore[arg-type] # any options


@given(
    st.integers(1, MAX_TYPED),
    st.integers(1, MAX_TYPED),
    st.sampled_from([8, 16, 32, 64]),
    st.integers(MIN_SIZE**2, 2048**2),
)
def test_the_nearest_size_is_paintable(width: int, height: int, multiple: int, area: int) -> None:
    """By any model; a size that is paintable stays."""
    model = msgspec.structs.replace(MODEL, size_multiple=multiple, max_pixels=area)
    size = nearest_size(model, width, height)
    assert model.is_paintable(*size) and min(size) >= MIN_SIZE
    assert nearest_size(model, *size) == size
