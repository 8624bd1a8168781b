"""Encode images as PNG and JPEG files, and compose the grid of a job."""

import io
import math
from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw

BLANK: Final = (47, 49, 54)
"""Colour of a cell without an image."""
_LABEL: Final = (185, 187, 190)


def encode_png(image: Image.Image) -> bytes:
    """A PNG file; equal images give equal bytes with the same version of Pillow."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=6)
    return file.getvalue()


def encode_jpeg(image: Image.Image, quality: int = 75) -> bytes:
    """A JPEG file, for previews."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def blank_cell(width: int, height: int, label: str = "") -> Image.Image:
    """A cell of a grid for an image that may not be shown or does not exist."""
    cell = Image.new("RGB", (width, height), BLANK)
    if label:
        middle = (width / 2, height / 2)
        ImageDraw.Draw(cell).text(middle, label, fill=_LABEL, anchor="mm", align="center")
    return cell


def image_grid(cells: Sequence[Image.Image]) -> Image.Image:
    """The cells in reading order, in a grid as square as their number allows."""
    columns = math.ceil(math.sqrt(len(cells)))
    rows = math.ceil(len(cells) / columns)
    width, height = max(cell.width for cell in cells), max(cell.height for cell in cells)
    grid = Image.new("RGB", (columns * width, rows * height), BLANK)
    for index, cell in enumerate(cells):
        grid.paste(cell, (index % columns * width, index // columns * height))
    return grid
