"""Compose pictures into the image of a message, a grid or a labelled matrix; pure Pillow."""

from collections.abc import Sequence
from typing import Final

from PIL import Image

from engine.contract.images import grid, matrix

STYLE: Final = grid.GridStyle(background=(43, 45, 49), foreground=(181, 186, 193), frame_margin=4)
"""Discord's dark theme."""
Cell = Image.Image | str
"""A picture, or the text of a blank cell."""


def compose(cells: Sequence[Cell], size: tuple[int, int]) -> Image.Image:
    """Pictures of about this size in reading order, edge to edge, in a nearly square grid.

    A string makes a blank cell with its number and this text.
    """
    images = [
        _blank_cell(cell, size, str(nth)) if isinstance(cell, str) else cell
        for nth, cell in enumerate(cells, start=1)
    ]
    return grid.compose(images, STYLE)


def compose_matrix(
    cells: Sequence[Cell], size: tuple[int, int], rows: matrix.Axis, columns: matrix.Axis
) -> Image.Image:
    """The pictures, row by row, as a labelled matrix; see `engine.contract.images.matrix`."""
    images = [_blank_cell(cell, size) if isinstance(cell, str) else cell for cell in cells]
    return matrix.compose(images, rows, columns, STYLE)


def _blank_cell(text: str, size: tuple[int, int], *more: str) -> Image.Image:
    return grid.unavailable_cell(size, [*more, text], STYLE)
