"""Overlapping tiles: their places, and their blending."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.contract.tiles import Box, overlapping_tiles
from engine.imaging.blend import blend, with_colours_of


@given(
    width=st.integers(8, 128),
    height=st.integers(8, 128),
    side=st.integers(2, 32),
    overlap=st.integers(1, 31),
)
def test_tiles_cover_the_image_and_overlap(
    width: int, height: int, side: int, overlap: int
) -> None:
    """Tiles have one size and even edges, and neighbours share at least the overlap."""
    overlap = min(overlap, side - 1)
    boxes = overlapping_tiles(width * 8, height * 8, side * 8, overlap * 8, 8)
    columns = sorted({(box.left, box.right) for box in boxes})
    rows = sorted({(box.top, box.bottom) for box in boxes})
    assert len(boxes) == len(columns) * len(rows)
    for spans, length in ((columns, width * 8), (rows, height * 8)):
        assert (spans[0][0], spans[-1][1]) == (0, length)
        assert {end - start for start, end in spans} == {min(side * 8, length)}
        assert all(start % 8 == 0 for start, _ in spans)
        assert all(left[1] - right[0] >= overlap * 8 for left, right in pairwise(spans))


def test_a_scaled_box_covers_the_same_part() -> None:
    """A moved box is seen from another point."""
    assert Box(1, 2, 3, 4).scaled(2) == Box(2, 4, 6, 8)
    assert Box(10, 20, 30, 40).moved(10, 15) == Box(0, 5, 20, 25)


def test_equal_tiles_blend_to_themselves() -> None:
    """Where tiles agree, the blended image has their pixels."""
    rng = np.random.default_rng(3)
    image = Image.fromarray(rng.integers(0, 256, (96, 160, 3), dtype=np.uint8))
    boxes = overlapping_tiles(160, 96, 64, 16, 8)
    assert blend([image.crop(box) for box in boxes], boxes).tobytes() == image.tobytes()


def test_an_image_gets_the_colours_of_another_and_keeps_its_details() -> None:
    """The mean of the result is that of the other picture; the grain stays."""
    rng = np.random.default_rng(5)
    grain = rng.normal(0, 8, (64, 64, 3))
    shifted = Image.fromarray((np.array([90, 120, 60]) + grain).astype(np.uint8))
    picture = Image.new("RGB", (64, 64), (180, 60, 60))
    result = np.asarray(with_colours_of(picture, shifted, 8), float)
    assert np.abs(result.mean(axis=(0, 1)) - [180, 60, 60]).max() < 2
    assert result.std(axis=(0, 1)).min() > 6
    assert with_colours_of(picture, picture, 8).tobytes() == picture.tobytes()


@pytest.mark.parametrize("levels", [(0, 255), (255, 0)])
def test_tiles_that_disagree_fade_into_each_other(levels: tuple[int, int]) -> None:
    """A black and a white tile give a slope without a step."""
    boxes = overlapping_tiles(112, 64, 64, 16, 8)
    tiles = [Image.new("RGB", (64, 64), (level,) * 3) for level in levels]
    row = np.asarray(blend(tiles, boxes), int)[32, :, 0]
    assert (row[0], row[-1]) == levels
    assert np.abs(np.diff(row)).max() <= 255 / 16 + 1
