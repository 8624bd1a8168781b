"""Divide an image into tiles that a network computes one after another; pure."""

from collections.abc import Iterator
from typing import NamedTuple

from engine.contract.tiles import Box


class Tile(NamedTuple):
    """A part of an image, and the larger part that the network sees."""

    core: Box
    """The pixels that the result of this tile supplies. Cores do not overlap."""
    context: Box
    """The core and its surroundings, up to the edges of the image."""


def tiles(width: int, height: int, side: int, margin: int) -> Iterator[Tile]:
    """Tiles in reading order, whose cores cover an image of this size.

    A core is at most `side` pixels wide and high; its context is `margin` pixels wider on each
    side, except at the edges of the image.
    """
    for top in range(0, height, side):
        for left in range(0, width, side):
            core = Box(left, top, min(left + side, width), min(top + side, height))
            context = Box(
                max(core.left - margin, 0),
                max(core.top - margin, 0),
                min(core.right + margin, width),
                min(core.bottom + margin, height),
            )
            yield Tile(core, context)
