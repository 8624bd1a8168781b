"""Pictures as files, and grids of them."""

import io

import pytest
from PIL import Image

from engine.imaging.encode import BLANK, blank, grid, jpeg, png, sha256
from tests.engine_parts import sketch


def test_the_same_picture_is_the_same_file() -> None:
    """Digests of files can stand for pictures."""
    assert png(sketch()) == png(sketch())
    assert sha256(png(sketch())) != sha256(png(sketch(65)))


def test_a_png_keeps_every_pixel() -> None:
    """What is read is what was written."""
    with Image.open(io.BytesIO(png(sketch()))) as picture:
        assert picture.tobytes() == sketch().tobytes()


def test_a_jpeg_is_small() -> None:
    """It is for looking at once."""
    with Image.open(io.BytesIO(jpeg(sketch()))) as picture:
        assert (picture.format, picture.size) == ("JPEG", (64, 64))


@pytest.mark.parametrize(
    ("count", "size"), [(1, (10, 20)), (2, (20, 20)), (3, (20, 40)), (4, (20, 40))]
)
def test_a_grid_is_as_square_as_can_be(count: int, size: tuple[int, int]) -> None:
    """In cells of the pictures' size."""
    assert grid([Image.new("RGB", (10, 20))] * count).size == size


def test_a_grid_is_in_reading_order() -> None:
    """Left to right, then down; a place without a picture is blank."""
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    sheet = grid([Image.new("RGB", (10, 10), colour) for colour in colours])
    places = [(5, 5), (15, 5), (5, 15), (15, 15)]
    assert [sheet.getpixel(place) for place in places] == [*colours, BLANK]


def test_a_blank_may_say_why() -> None:
    """With a label it is no longer one colour."""
    assert blank(90, 40).getcolors() == [(3600, BLANK)]
    colours = blank(90, 40, "withheld").getcolors()
    assert colours is None or len(colours) > 1
