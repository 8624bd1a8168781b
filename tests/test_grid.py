"""Pictures side by side."""

import pytest
from PIL import Image

from bot.messages import grid

COLOURS = ("red", "green", "blue", "yellow")


def plain(count: int) -> list[Image.Image | str]:
    """So many pictures of one colour each."""
    return [Image.new("RGB", (80, 64), colour) for colour in COLOURS[:count]]


@pytest.mark.parametrize(
    ("count", "size"), [(1, (80, 64)), (2, (160, 64)), (3, (160, 128)), (4, (160, 128))]
)
def test_two_in_a_row_edge_to_edge(count: int, size: tuple[int, int]) -> None:
    """The grid is exactly as large as its cells."""
    assert grid.compose(plain(count), (80, 64)).size == size


def test_pictures_are_in_reading_order() -> None:
    """Left to right, then top to bottom, each unchanged."""
    made = grid.compose(plain(4), (80, 64))
    for n, picture in enumerate(plain(4)):
        left, top = n % 2 * 80, n // 2 * 64
        assert not isinstance(picture, str)
        cell = made.crop((left, top, left + 80, top + 64))
        assert cell.tobytes() == picture.tobytes()


def test_a_withheld_picture_is_a_labelled_blank() -> None:
    """Something is written there, in grey, and nothing else is changed."""
    made = grid.compose(["withheld by the safety check", *plain(3)], (80, 64))
    colours = made.crop((0, 0, 80, 64)).getcolors(maxcolors=10_000)
    assert colours is not None and len(colours) > 2
    assert all(max(c) - min(c) < 20 for _, c in colours if isinstance(c, tuple))
    assert made.getpixel((81, 1)) == (255, 0, 0)
