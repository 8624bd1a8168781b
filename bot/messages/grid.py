"""Pictures side by side in one picture; pure Pillow."""

from collections.abc import Sequence
from textwrap import wrap
from typing import Final

from PIL import Image, ImageDraw, ImageFont

_BLANK: Final = (43, 45, 49)
_WRITING: Final = (181, 186, 193)
_LINE: Final = 16
"""Characters."""


def compose(pictures: Sequence[Image.Image | str], size: tuple[int, int]) -> Image.Image:
    """One to four pictures of this size in reading order, edge to edge, two in a row.

    Words stand for a picture that there is not: they label its blank cell.
    """
    columns = min(len(pictures), 2)
    rows = -(-len(pictures) // columns)
    grid = Image.new("RGB", (columns * size[0], rows * size[1]), _BLANK)
    for n, picture in enumerate(pictures):
        cell = _blank(n + 1, picture, size) if isinstance(picture, str) else picture
        grid.paste(cell, (n % columns * size[0], n // columns * size[1]))
    return grid


def _blank(nth: int, words: str, size: tuple[int, int]) -> Image.Image:
    cell = Image.new("RGB", size, _BLANK)
    draw = ImageDraw.Draw(cell)
    draw.rectangle((4, 4, size[0] - 5, size[1] - 5), outline=_WRITING)
    draw.multiline_text(
        (size[0] / 2, size[1] / 2),
        "\n".join([str(nth), *wrap(words, _LINE)]),
        fill=_WRITING,
        font=ImageFont.load_default(max(8, size[0] // 11)),
        anchor="mm",
        align="center",
    )
    return cell
