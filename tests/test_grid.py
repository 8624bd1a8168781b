"""Composing pictures into one image: the bot's grid, and the plain one of the engine."""

import pytest
from PIL import Image, ImageChops

from bot.messages import grid
from engine.contract.images import grid as plain_grid

COLOURS = ("red", "green", "blue", "yellow")
SIZE = (80, 64)


def pictures(count: int) -> list[Image.Image | str]:
    """Pictures of one colour each."""
    return [Image.new("RGB", SIZE, colour) for colour in COLOURS[:count]]


def blank(text: str) -> Image.Image:
    """The blank cell with this text."""
    return grid.compose([text], SIZE)


@pytest.mark.parametrize(
    ("count", "size"), [(1, (80, 64)), (2, (160, 64)), (3, (160, 128)), (4, (160, 128))]
)
def test_a_grid_is_exactly_as_large_as_its_cells(count: int, size: tuple[int, int]) -> None:
    """The cells are in two columns, without gaps."""
    assert grid.compose(pictures(count), SIZE).size == size


def test_pictures_are_in_reading_order() -> None:
    """They are placed from left to right, then from top to bottom, each unchanged."""
    image = grid.compose(pictures(4), SIZE)
    for index, picture in enumerate(pictures(4)):
        left, top = index % 2 * 80, index // 2 * 64
        assert not isinstance(picture, str)
        cell = image.crop((left, top, left + 80, top + 64))
        assert cell.tobytes() == picture.tobytes()


def test_a_withheld_picture_is_a_labelled_blank_cell() -> None:
    """The label depends on the text and its number, and the other cells are unchanged."""
    image = grid.compose(["withheld by the safety check", *pictures(3)], SIZE)
    cell = image.crop((0, 0, 80, 64))
    assert cell.tobytes() == blank("withheld by the safety check").tobytes()
    assert image.getpixel((81, 1)) == (255, 0, 0)


def test_the_label_is_inside_of_a_frame_on_the_background() -> None:
    """All of the text is in the cell, and another text looks different."""
    cell = blank("removed")
    assert {cell.getpixel((x, y)) for x in range(80) for y in range(4)} == {grid.STYLE.background}
    frame_only = blank("")
    label = ImageChops.difference(cell, frame_only).getbbox()
    assert label is not None
    left, top, right, bottom = label
    assert left > 4 and top > 4 and right < 76 and bottom < 60
    assert cell.tobytes() != blank("withheld").tobytes()


@pytest.mark.parametrize(
    ("count", "size"), [(1, (10, 20)), (2, (20, 20)), (3, (20, 40)), (4, (20, 40))]
)
def test_a_grid_is_as_square_as_possible(count: int, size: tuple[int, int]) -> None:
    """The numbers of columns and rows depend on the number of images."""
    assert plain_grid.compose([Image.new("RGB", (10, 20))] * count).size == size


@pytest.mark.parametrize(
    ("count", "size"), [(5, (30, 40)), (9, (30, 60)), (12, (40, 60)), (16, (40, 80))]
)
def test_a_grid_takes_any_number_of_cells(count: int, size: tuple[int, int]) -> None:
    """It has as many columns as the root of their number, rounded up."""
    assert plain_grid.compose([Image.new("RGB", (10, 20))] * count).size == size


def test_cells_of_other_sizes_are_fitted() -> None:
    """A smaller cell is scaled to the largest one and centred; its aspect ratio stays."""
    wide, square = Image.new("RGB", (20, 10), "red"), Image.new("RGB", (80, 80), "green")
    image = plain_grid.compose([wide, square])
    assert image.size == (160, 80)
    assert image.getpixel((40, 10)) == plain_grid.PLAIN.background
    assert {image.getpixel((x, 40)) for x in range(80)} == {(255, 0, 0)}
    assert {image.getpixel((40, y)) for y in range(20, 60)} == {(255, 0, 0)}


def test_a_grid_stays_within_its_longest_side() -> None:
    """All cells are scaled down; those of a grid that fits are unchanged."""
    cells = [Image.new("RGB", (100, 50), colour) for colour in ("red", "green", "blue")]
    assert plain_grid.compose(cells, max_side=200).size == (200, 100)
    assert plain_grid.compose(cells, max_side=100).size == (100, 50)


def test_a_plain_grid_is_in_reading_order() -> None:
    """Images go from left to right, then down; unused cells are blank."""
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    image = plain_grid.compose([Image.new("RGB", (10, 10), colour) for colour in colours])
    centres = [(5, 5), (15, 5), (5, 15), (15, 15)]
    assert [image.getpixel(centre) for centre in centres] == [*colours, plain_grid.PLAIN.background]


def test_a_blank_cell_may_have_a_label() -> None:
    """A cell with a label has more than one colour."""
    assert plain_grid.blank_cell((90, 40)).getcolors() == [(3600, plain_grid.PLAIN.background)]
    colours = plain_grid.blank_cell((90, 40), "withheld").getcolors()
    assert colours is None or len(colours) > 1
