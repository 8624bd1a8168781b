"""Drawing labelled matrices."""

import pytest
from PIL import Image, ImageChops

from bot.messages import grid
from engine.contract.images import matrix
from engine.contract.images.matrix import NO_AXIS, Axis

STEPS = Axis("steps", ("12", "24", "38", "50"))
SAMPLERS = Axis("sampler", ("euler", "dpmpp_2m_karras"))
SIZE = (96, 64)
COLOURS = [(25 * n, 250 - 25 * n, 100) for n in range(8)]


def pictures(count: int) -> list[Image.Image]:
    """Pictures of one colour each."""
    return [Image.new("RGB", SIZE, colour) for colour in COLOURS[:count]]


def corners(image: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int] | None:
    """The rectangle around all pixels of this colour."""
    plain = Image.new("RGB", image.size, colour)
    channels = ImageChops.difference(image, plain).split()
    total = ImageChops.lighter(ImageChops.lighter(channels[0], channels[1]), channels[2])
    return total.point(lambda value: 255 if value == 0 else 0).getbbox()


def test_a_matrix_shows_every_picture_unchanged_row_by_row() -> None:
    """Pictures of a column share their left side, and those of a row their top."""
    image = matrix.compose(pictures(8), SAMPLERS, STEPS)
    boxes = [corners(image, colour) for colour in COLOURS]
    for box in boxes:
        assert box is not None
        assert (box[2] - box[0], box[3] - box[1]) == SIZE
    places = [(box[0], box[1]) for box in boxes if box is not None]
    assert places == sorted(places, key=lambda place: (place[1], place[0]))
    assert len({left for left, _ in places}) == 4
    assert len({top for _, top in places}) == 2


def test_labels_are_outside_of_the_pictures() -> None:
    """Other labels of equal length change no pixel of a picture."""
    images = [
        matrix.compose(pictures(8), SAMPLERS, Axis(name, ("12", "24", "38", text)))
        for name, text in (("steps", "50"), ("speed", "59"))
    ]
    assert images[0].size == images[1].size
    assert images[0].tobytes() != images[1].tobytes()
    for colour in COLOURS:
        assert corners(images[0], colour) == corners(images[1], colour)


def test_the_same_matrix_is_drawn_from_the_same_pictures() -> None:
    """Equal cells and labels give equal pixels."""
    first, second = (matrix.compose(pictures(8), SAMPLERS, STEPS) for _ in range(2))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (4, 1), (5, 1), (6, 2), (8, 3)])
def test_one_axis_continues_in_the_next_row(count: int, rows: int) -> None:
    """Up to five pictures are in one row; more are in a nearly square grid."""
    columns = Axis("steps", [str(n) for n in range(count)])
    image = matrix.compose(pictures(count), NO_AXIS, columns)
    boxes = [corners(image, colour) for colour in COLOURS[:count]]
    assert len({box[1] for box in boxes if box is not None}) == rows
    assert all(box and (box[2] - box[0], box[3] - box[1]) == SIZE for box in boxes)


@pytest.mark.parametrize("rows", [NO_AXIS, SAMPLERS])
def test_a_matrix_stays_within_its_longest_side(rows: Axis) -> None:
    """The pictures are scaled down, with their labels."""
    cells = pictures(4 * len(rows.labels))
    image = matrix.compose(cells, rows, STEPS, max_side=300)
    assert max(image.size) <= 300
    assert max(matrix.compose(cells, rows, STEPS).size) > 300


def test_the_number_of_cells_must_be_that_of_the_labels() -> None:
    """A missing cell is an error of the caller."""
    with pytest.raises(ValueError, match="7 cells for 2 rows and 4 columns"):
        matrix.compose(pictures(7), SAMPLERS, STEPS)


def test_a_picture_that_is_not_shown_is_a_blank_cell_with_a_text() -> None:
    """The other pictures of the matrix keep their places."""
    cells: list[grid.Cell] = [*pictures(8)]
    whole = grid.compose_matrix(cells, SIZE, SAMPLERS, STEPS)
    cells[2] = "removed by moderators"
    partial = grid.compose_matrix(cells, SIZE, SAMPLERS, STEPS)
    assert partial.size == whole.size
    changes = ImageChops.difference(partial, whole).getbbox()
    assert changes == corners(whole, COLOURS[2])
