"""Overlapping tiles of an image; pure."""

from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle in pixels, as Pillow's boxes: right and bottom are outside of it."""

    left: int
    top: int
    right: int
    bottom: int

    def scaled(self, scale: int) -> "Box":
        """The same part of an image whose sides are `scale` times as long."""
        return Box(*(edge * scale for edge in self))

    def moved(self, left: int, top: int) -> "Box":
        """The box as seen from this point."""
        return Box(self.left - left, self.top - top, self.right - left, self.bottom - top)


def overlapping_tiles(
    width: int, height: int, side: int, overlap: int, multiple: int
) -> tuple[Box, ...]:
    """Tiles of equal size in reading order, which cover an image of this size.

    They are at most `side` pixels wide and high. Neighbours share at least `overlap` pixels, and
    all edges are at a multiple of `multiple`; the other four numbers must be such multiples too.
    """
    return tuple(
        Box(left, top, left + min(side, width), top + min(side, height))
        for top in _starts(height, side, overlap, multiple)
        for left in _starts(width, side, overlap, multiple)
    )


def _starts(length: int, side: int, overlap: int, multiple: int) -> list[int]:
    """The starts of the tiles along one side of the image, evenly spaced."""
    last = length - side
    if last <= 0:
        return [0]
    count = -(-last // (side - overlap)) + 1
    return [last * nth // (count - 1) // multiple * multiple for nth in range(count)]
