"""Compose pictures into the grid of a message; pure Pillow."""

from collections.abc import Sequence
from textwrap import wrap
from typing import Final

from PIL import Image

from engine.contract.images import grid

STYLE: Final = grid.GridStyle(background=(43, 45, 49), foreground=(181, 186, 193), frame_margin=4)
"""Discord's dark theme."""
_LINE_CHARS: Final = 16


def compose(cells: Sequence[Image.Image | str], size: tuple[int, int]) -> Image.Image:
    """One to four pictures of this size in reading order, edge to edge, two in a row.

    A string makes a blank cell with this text.
    """
    images = [
        _blank_cell(nth, cell, size) if isinstance(cell, str) else cell
        for nth, cell in enumerate(cells, start=1)
    ]
    return grid.compose(images, STYLE)


def _blank_cell(nth: int, text: str, size: tuple[int, int]) -> Image.Image:
    label = "\n".join([str(nth), *wrap(text, _LINE_CHARS)])
    return grid.blank_cell(size, label, style=STYLE, font_size=max(8, size[0] // 11))
