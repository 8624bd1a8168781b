"""Compose pictures into one image, with a blank cell for each that is not shown."""

import math
from collections.abc import Sequence
from textwrap import wrap
from typing import Final, NamedTuple

from PIL import Image, ImageDraw, ImageFont

MAX_SIDE: Final = 4096
"""Pixels of the longer side of a composed image; its cells are scaled down to it."""
_LINE_CHARS: Final = 16


class GridStyle(NamedTuple):
    """The looks of blank cells and of the space around cells."""

    background: tuple[int, int, int]
    foreground: tuple[int, int, int]
    """Of the label and the frame."""
    frame_margin: int | None = None
    """Pixels between the edge and a frame of one pixel; None for no frame."""
    emphasis: tuple[int, int, int] = (242, 243, 245)
    """Of text and frames that stand out."""


PLAIN: Final = GridStyle(background=(47, 49, 54), foreground=(185, 187, 190))
"""Of previews and of `paint`."""


def compose(
    cells: Sequence[Image.Image], style: GridStyle = PLAIN, *, max_side: int = MAX_SIDE
) -> Image.Image:
    """The cells in reading order, edge to edge, in a grid as square as their number allows.

    Each is scaled to fit into a cell of the largest width and height; all cells are scaled down if
    the grid would be larger than `max_side` pixels.
    """
    columns = column_count(len(cells))
    rows = math.ceil(len(cells) / columns)
    box = fit(cell_box(cells), (max_side // columns, max_side // rows))
    grid = Image.new("RGB", (columns * box[0], rows * box[1]), style.background)
    for index, cell in enumerate(cells):
        place(grid, cell, (index % columns * box[0], index // columns * box[1]), box)
    return grid


def column_count(count: int) -> int:
    """Of a grid of so many cells."""
    return math.ceil(math.sqrt(count))


def cell_box(cells: Sequence[Image.Image]) -> tuple[int, int]:
    """The largest width and the largest height of the cells."""
    return max(cell.width for cell in cells), max(cell.height for cell in cells)


def fit(size: tuple[int, int], limit: tuple[int, int]) -> tuple[int, int]:
    """The size, scaled down to the limit if it is larger, with the same aspect ratio."""
    scale = min(1.0, limit[0] / size[0], limit[1] / size[1])
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))


def place(
    canvas: Image.Image, cell: Image.Image, corner: tuple[int, int], box: tuple[int, int]
) -> None:
    """Paste a cell into the middle of a box, scaled to fit; unchanged if it has that size."""
    if cell.size != box:
        scale = min(box[0] / cell.width, box[1] / cell.height)
        size = max(1, round(cell.width * scale)), max(1, round(cell.height * scale))
        cell = cell.resize(size, Image.Resampling.LANCZOS)
    left, top = (box[0] - cell.width) // 2, (box[1] - cell.height) // 2
    canvas.paste(cell, (corner[0] + left, corner[1] + top))


def blank_cell(
    size: tuple[int, int],
    label: str = "",
    *,
    style: GridStyle = PLAIN,
    font_size: float | None = None,
) -> Image.Image:
    """A cell for a picture that is not shown, with a label in its middle; it may have lines."""
    cell = Image.new("RGB", size, style.background)
    draw = ImageDraw.Draw(cell)
    if style.frame_margin is not None:
        left = top = style.frame_margin
        right, bottom = size[0] - 1 - left, size[1] - 1 - top
        draw.rectangle((left, top, right, bottom), outline=style.foreground)
    if label:
        draw.multiline_text(
            (size[0] / 2, size[1] / 2),
            label,
            fill=style.foreground,
            font=ImageFont.load_default(font_size),
            anchor="mm",
            align="center",
        )
    return cell


def unavailable_cell(size: tuple[int, int], lines: Sequence[str], style: GridStyle) -> Image.Image:
    """A blank cell with these sentences, each wrapped to the width of the cell."""
    label = "\n".join(line for text in lines for line in wrap(text, _LINE_CHARS))
    return blank_cell(size, label, style=style, font_size=max(8, size[0] // 11))
