"""Where a picture lies on a new canvas, when it is zoomed out or panned; pure."""

import math
from enum import StrEnum
from typing import Final, NamedTuple

from bot.errors import Refused
from bot.i18n import _
from engine.contract import ModelCard

ZOOMS: Final = (1.5, 2.0)
"""How many times as wide and high as the picture the scene on the canvas is."""
PAN_SHARE: Final = 0.5
"""A pan adds this share of the picture's width or height."""
_MAX_ASPECT: Final = 4.0

Size = tuple[int, int]
"""Width and height in pixels."""


class Direction(StrEnum):
    """Where a pan looks. Its name is a part of custom ids."""

    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"

    @property
    def is_horizontal(self) -> bool:
        """Whether the canvas becomes wider, not higher."""
        return self in (Direction.LEFT, Direction.RIGHT)

    @property
    def is_backward(self) -> bool:
        """Whether the new part is before the picture: on its left, or above it."""
        return self in (Direction.LEFT, Direction.UP)


class Canvas(NamedTuple):
    """A canvas and the picture on it, in pixels."""

    size: Size
    left: int
    top: int
    width: int
    height: int


def zoomed_out(size: Size, factor: float, multiple: int) -> Canvas:
    """A canvas of the picture's size, with the picture shrunk to 1 / `factor` in its middle.

    The edges of the picture are at multiples of `multiple` pixels, as near as possible.
    """
    width, height = (_shrunk(length, factor, multiple) for length in size)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return Canvas(size, left, top, width, height)


def _shrunk(length: int, factor: float, multiple: int) -> int:
    margin = (length - length / factor) / 2 / multiple
    most = (length // multiple - 1) // 2
    return length - 2 * multiple * min(max(1, round(margin)), most)


def panned(size: Size, direction: Direction, card: ModelCard) -> Canvas:
    """A canvas that is longer by PAN_SHARE in this direction, with the picture at its other end.

    If it is too large for the model, both are smaller. Raises Refused if it would be too long.
    """
    multiple = card.size_multiple
    along, across = size if direction.is_horizontal else size[::-1]
    added = max(multiple, round(along * PAN_SHARE / multiple) * multiple)
    if along + added > _MAX_ASPECT * across:
        sentence = (
            _(
                "The picture would be more than {limit:g} times as long as it is high. "
                "Pan in another direction."
            )
            if direction.is_horizontal
            else _(
                "The picture would be more than {limit:g} times as long as it is wide. "
                "Pan in another direction."
            )
        )
        raise Refused(sentence.format(limit=_MAX_ASPECT))
    length, across = _fitting(along + added, across, card)
    along = min(round(along / (along + added) * length / multiple) * multiple, length - multiple)
    start = length - along if direction.is_backward else 0
    if direction.is_horizontal:
        return Canvas((length, across), start, 0, along, across)
    return Canvas((across, length), 0, start, across, along)


def _fitting(length: int, across: int, card: ModelCard) -> Size:
    """These sides, shrunk to what the model paints."""
    if card.is_paintable(length, across):
        return length, across
    scale = min(1.0, math.sqrt(card.max_pixels / (length * across)), card.max_side / length)
    multiple = card.size_multiple
    sides = (int(side * scale / multiple) * multiple for side in (length, across))
    long, short = sides
    return long, short
