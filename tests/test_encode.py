"""Encoding of images as files, and grids of images."""

import io

import pytest
from PIL import Image

from engine.contract import sha256
from engine.imaging.encode import BLANK, blank_cell, encode_jpeg, encode_png, image_grid
from tests.engine_parts import sketch


def test_the_same_image_gives_the_same_png() -> None:
    """The digest of the file therefore identifies the image."""
    assert encode_png(sketch()) == encode_png(sketch())
    assert sha256(encode_png(sketch())) != sha256(encode_png(sketch(65)))


def test_a_png_is_lossless() -> None:
    """The decoded PNG has the pixels of the image."""
    with Image.open(io.BytesIO(encode_png(sketch()))) as image:
        assert image.tobytes() == sketch().tobytes()


def test_a_jpeg_has_the_size_of_the_image() -> None:
    """A JPEG has a lower quality, but the same width and height."""
    with Image.open(io.BytesIO(encode_jpeg(sketch()))) as image:
        assert (image.format, image.size) == ("JPEG", (64, 64))


@pytest.mark.parametrize(
    ("count", "size"), [(1, (10, 20)), (2, (20, 20)), (3, (20, 40)), (4, (20, 40))]
)
def test_a_grid_is_as_square_as_possible(count: int, size: tuple[int, int]) -> None:
    """The numbers of columns and rows depend on the number of images."""
    assert image_grid([Image.new("RGB", (10, 20))] * count).size == size


def test_a_grid_is_in_reading_order() -> None:
    """Images go from left to right, then down; unused cells are blank."""
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    grid = image_grid([Image.new("RGB", (10, 10), colour) for colour in colours])
    centres = [(5, 5), (15, 5), (5, 15), (15, 15)]
    assert [grid.getpixel(centre) for centre in centres] == [*colours, BLANK]


def test_a_blank_cell_may_have_a_label() -> None:
    """A cell with a label has more than one colour."""
    assert blank_cell(90, 40).getcolors() == [(3600, BLANK)]
    colours = blank_cell(90, 40, "withheld").getcolors()
    assert colours is None or len(colours) > 1
