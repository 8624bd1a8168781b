"""Draws the mask of some of the nine parts of a picture."""

from collections.abc import Collection
from typing import Final

from PIL import Image, ImageDraw, ImageFilter

from engine.contract.images.decode_result import DecodeResult, DecodeStatus

_PARTS: Final = 3
"""Along each side."""
_SOFTNESS: Final = 1 / 64
"""Of the shorter side: the radius of the blur of its edges."""


def cell_mask(size: tuple[int, int], cells: Collection[int]) -> DecodeResult:
    """A mask of this width and height in pixels, white in these cells of a 3 x 3 grid, which are
    numbered from 0 in reading order, and with soft edges."""
    width, height = size
    mask = Image.new("L", size)
    draw = ImageDraw.Draw(mask)
    for cell in cells:
        row, column = divmod(cell, _PARTS)
        left, right = (width * edge // _PARTS for edge in (column, column + 1))
        top, bottom = (height * edge // _PARTS for edge in (row, row + 1))
        draw.rectangle((left, top, right - 1, bottom - 1), fill="white")
    soft = mask.filter(ImageFilter.GaussianBlur(min(size) * _SOFTNESS))
    return DecodeResult(DecodeStatus.OK, width, height, soft.convert("RGB").tobytes())
