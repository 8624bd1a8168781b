"""Where a picture lies on a canvas that is zoomed out or panned."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.canvas import ZOOMS, Canvas, Direction, panned, zoomed_out
from bot.errors import Refused
from tests.fake_engine import MODEL

SIDES = st.integers(8, 128).map(lambda number: number * 8)
LARGE = msgspec.structs.replace(MODEL, max_pixels=2048 * 2048)


@pytest.mark.parametrize(
    ("size", "factor", "canvas"),
    [
        ((512, 512), 2.0, Canvas((512, 512), 128, 128, 256, 256)),
        ((512, 768), 1.5, Canvas((512, 768), 88, 128, 336, 512)),
        ((64, 64), 1.5, Canvas((64, 64), 8, 8, 48, 48)),
        ((64, 64), 2.0, Canvas((64, 64), 16, 16, 32, 32)),
    ],
)
def test_a_zoom_keeps_the_size(size: tuple[int, int], factor: float, canvas: Canvas) -> None:
    """The picture is in the middle; of a small one, the factor is only near the requested one."""
    assert zoomed_out(size, factor, 8) == canvas


@given(SIDES, SIDES, st.sampled_from(ZOOMS), st.sampled_from([8, 16]))
def test_a_zoomed_picture_lies_inside(
    width: int, height: int, factor: float, multiple: int
) -> None:
    """There is something to paint on all four sides, and the edges suit the model."""
    size = width // multiple * multiple, height // multiple * multiple
    canvas = zoomed_out(size, factor, multiple)
    assert not any(length % multiple for length in canvas[1:])
    assert min(canvas.left, canvas.top) >= multiple
    assert (2 * canvas.left + canvas.width, 2 * canvas.top + canvas.height) == size


@pytest.mark.parametrize(
    ("direction", "canvas"),
    [
        (Direction.LEFT, Canvas((768, 512), 256, 0, 512, 512)),
        (Direction.RIGHT, Canvas((768, 512), 0, 0, 512, 512)),
        (Direction.UP, Canvas((512, 768), 0, 256, 512, 512)),
        (Direction.DOWN, Canvas((512, 768), 0, 0, 512, 512)),
    ],
)
def test_a_pan_makes_the_canvas_longer(direction: Direction, canvas: Canvas) -> None:
    """The pixels of the picture stay as they are."""
    assert panned((512, 512), direction, LARGE) == canvas


def test_a_pan_beyond_the_models_limits_shrinks_the_picture() -> None:
    """By the area, or by the longer side."""
    assert panned((256, 256), Direction.RIGHT, MODEL) == Canvas((312, 208), 0, 0, 208, 208)
    narrow = msgspec.structs.replace(LARGE, max_side=512)
    assert panned((512, 512), Direction.DOWN, narrow) == Canvas((336, 512), 0, 0, 336, 344)


def test_a_picture_does_not_become_too_long() -> None:
    """The sentence has another way."""
    wide = panned((192, 64), Direction.DOWN, MODEL)
    assert wide.size == (192, 96)
    with pytest.raises(Refused, match="4 times as long as it is high"):
        panned((192, 64), Direction.LEFT, MODEL)
    with pytest.raises(Refused, match="4 times as long as it is wide"):
        panned((64, 192), Direction.UP, MODEL)


@given(SIDES, SIDES, st.sampled_from(Direction))
def test_a_panned_picture_lies_on_the_canvas(width: int, height: int, direction: Direction) -> None:
    """The canvas suits the model, and there is something to paint."""
    card = msgspec.structs.replace(LARGE, max_pixels=768 * 768)
    if not card.is_paintable(width, height) or max(width, height) > 2 * min(width, height):
        return
    canvas = panned((width, height), direction, card)
    assert card.is_paintable(*canvas.size)
    right, bottom = canvas.left + canvas.width, canvas.top + canvas.height
    assert right <= canvas.size[0] and bottom <= canvas.size[1]
    assert (canvas.width, canvas.height) != canvas.size
    assert min(canvas.left, canvas.top) >= 0 < min(canvas.width, canvas.height)
