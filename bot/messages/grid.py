"""Compose pictures into one grid image; pure Pillow."""

from collections.abc import Sequence
from textwrap import wrap
from typing import Final

from PIL import Image, ImageDraw, ImageFont

BACKGROUND: Final = (43, 45, 49)
"""Of a blank cell: Discord's dark theme."""
_TEXT_COLOUR: Final = (181, 186, 193)
_LINE_CHARS: Final = 16


def compose(cells: Sequence[Image.Image | str], size: tuple[int, int]) -> Image.Image:
    """One to four pictures of this size in reading order, edge to edge, two in a row.

    A string makes a blank cell with this text.
    """
    columns = min(len(cells), 2)
    rows = -(-len(cells) // columns)
    grid = Image.new("RGB", (columns * size[0], rows * size[1]), BACKGROUND)
    for index, cell in enumerate(cells):
        image = _blank_cell(index + 1, cell, size) if isinstance(cell, str) else cell
        grid.paste(image, (index % columns * size[0], index // columns * size[1]))
    return grid


def _blank_cell(nth: int, text: str, size: tuple[int, int]) -> Image.Image:
    cell = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(cell)
    draw.rectangle((4, 4, size[0] - 5, size[1] - 5), outline=_TEXT_COLOUR)
    draw.multiline_text(
        (size[0] / 2, size[1] / 2),
        "\n".join([str(nth), *wrap(text, _LINE_CHARS)]),
        fill=_TEXT_COLOUR,
        font=ImageFont.load_default(max(8, size[0] // 11)),
        anchor="mm",
        align="center",
    )
    return cell
