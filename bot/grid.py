"""Pictures side by side in one picture; pure Pillow."""

from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw, ImageFont

_BLANK: Final = (43, 45, 49)
_WRITING: Final = (181, 186, 193)


def compose(pictures: Sequence[Image.Image | None], size: tuple[int, int]) -> Image.Image:
    """One to four pictures of this size in reading order, edge to edge, two in a row.

    None is a picture that was withheld; its cell is a labelled blank.
    """
    columns = min(len(pictures), 2)
    rows = -(-len(pictures) // columns)
    grid = Image.new("RGB", (columns * size[0], rows * size[1]), _BLANK)
    for n, picture in enumerate(pictures):
        cell = _withheld(n + 1, size) if picture is None else picture
        grid.paste(cell, (n % columns * size[0], n // columns * size[1]))
    return grid


def _withheld(nth: int, size: tuple[int, int]) -> Image.Image:
    cell = Image.new("RGB", size, _BLANK)
    draw = ImageDraw.Draw(cell)
    draw.rectangle((4, 4, size[0] - 5, size[1] - 5), outline=_WRITING)
    draw.multiline_text(
        (size[0] / 2, size[1] / 2),
        f"{nth}\nwithheld by the\nsafety check",
        fill=_WRITING,
        font=ImageFont.load_default(max(8, size[0] // 11)),
        anchor="mm",
        align="center",
    )
    return cell
