"""Compose the pictures of a job into one image, with a blank cell for each that is not shown."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from PIL import Image, ImageDraw, ImageFont


class GridStyle(NamedTuple):
    """The looks of blank cells."""

    background: tuple[int, int, int]
    foreground: tuple[int, int, int]
    """Of the label and the frame."""
    frame_margin: int | None = None
    """Pixels between the edge and a frame of one pixel; None for no frame."""


PLAIN: Final = GridStyle(background=(47, 49, 54), foreground=(185, 187, 190))
"""Of previews and of `paint`."""


def compose(cells: Sequence[Image.Image], style: GridStyle = PLAIN) -> Image.Image:
    """The cells in reading order, edge to edge, in a grid as square as their number allows."""
    columns = math.ceil(math.sqrt(len(cells)))
    rows = math.ceil(len(cells) / columns)
    width, height = max(cell.width for cell in cells), max(cell.height for cell in cells)
    grid = Image.new("RGB", (columns * width, rows * height), style.background)
    for index, cell in enumerate(cells):
        grid.paste(cell, (index % columns * width, index // columns * height))
    return grid


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
