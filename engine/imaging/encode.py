"""Pictures as files: PNG, preview JPEG, and the grid that shows a whole job."""

import hashlib
import io
import math
from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw

BLANK: Final = (47, 49, 54)
"""Colour of a cell without a picture."""
_LABEL: Final = (185, 187, 190)


def png(picture: Image.Image) -> bytes:
    """The same picture always gives the same bytes (with the same Pillow)."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=6)
    return file.getvalue()


def jpeg(picture: Image.Image, quality: int = 75) -> bytes:
    """Small, for looking at once."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def sha256(data: bytes) -> str:
    """In hex."""
    return hashlib.sha256(data).hexdigest()


def blank(width: int, height: int, label: str = "") -> Image.Image:
    """What stands in a grid where no picture may be shown."""
    cell = Image.new("RGB", (width, height), BLANK)
    if label:
        middle = (width / 2, height / 2)
        ImageDraw.Draw(cell).text(middle, label, fill=_LABEL, anchor="mm", align="center")
    return cell


def grid(cells: Sequence[Image.Image]) -> Image.Image:
    """The cells in reading order, in as square a grid as their number allows."""
    columns = math.ceil(math.sqrt(len(cells)))
    rows = math.ceil(len(cells) / columns)
    width, height = max(cell.width for cell in cells), max(cell.height for cell in cells)
    sheet = Image.new("RGB", (columns * width, rows * height), BLANK)
    for place, cell in enumerate(cells):
        sheet.paste(cell, (place % columns * width, place // columns * height))
    return sheet
