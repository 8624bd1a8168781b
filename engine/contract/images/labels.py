"""Text in drawings: what the font can draw, broken into lines that fit into a width.

The font is the one inside Pillow, so that drawings are the same on every machine.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
LINE_HEIGHT: Final = 1.25
"""Of a line of text, in font sizes."""
_ELLIPSIS: Final = "…"
_ASCII_LIMIT: Final = 0x7F
_OTHER_SIGNS: Final = frozenset("·…–—‘’“”•")
"""Signs beyond ASCII that the font has."""
_REPLACEMENTS: Final = str.maketrans({"→": "->", "←": "<-", "×": "x", "ß": "ss", "−": "-"})
_BREAK: Final = re.compile(r"(?<=[_\-/.,])(?=[^\d\s])|(?<=\s)")
"""Lines may end at spaces and inside of names such as `dpmpp_2m_karras`."""


@lru_cache(maxsize=64)
def font(size: int) -> Font:
    """The font at a size in pixels."""
    return ImageFont.load_default(size)


def drawable(text: str) -> str:
    """The text in one line and in signs that the font has; others become `?`."""
    plain = unicodedata.normalize("NFKD", " ".join(text.split()).translate(_REPLACEMENTS))
    return "".join(
        sign if sign <= chr(_ASCII_LIMIT) or sign in _OTHER_SIGNS else "?"
        for sign in plain
        if not unicodedata.combining(sign) and sign.isprintable()
    )


def text_width(text: str, size: int) -> int:
    """Pixels from the left to the right end of a line of text."""
    return round(font(size).getlength(text))


def text_lines(text: str, size: int, width: int, max_lines: int = 1) -> list[str]:
    """The text as lines that are at most so many pixels wide.

    What does not fit into the lines is cut and replaced by an ellipsis.
    """
    lines: list[str] = []
    rest = drawable(text)
    while rest and len(lines) < max_lines:
        is_last = len(lines) == max_lines - 1
        line = _cut(rest, size, width) if is_last else _first_line(rest, size, width)
        lines.append(line.strip())
        rest = "" if is_last else rest[len(line) :].lstrip()
    return lines


def _first_line(text: str, size: int, width: int) -> str:
    """As many words as fit; part of the first if it alone is too wide."""
    line = ""
    for part in _BREAK.split(text):
        if text_width((line + part).rstrip(), size) > width:
            break
        line += part
    return line or text[: max(1, _fitting(text, size, width))]


def _cut(text: str, size: int, width: int) -> str:
    if text_width(text, size) <= width:
        return text
    room = width - text_width(_ELLIPSIS, size)
    return text[: _fitting(text, size, room)].rstrip() + _ELLIPSIS


def _fitting(text: str, size: int, width: int) -> int:
    """How many of the first characters fit into this width."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(text[:middle], size) <= width:
            low = middle
        else:
            high = middle - 1
    return low


def block_height(lines: int, size: int) -> int:
    """Pixels that so many lines of text need."""
    return round(lines * size * LINE_HEIGHT)


def draw_lines(
    draw: ImageDraw.ImageDraw,
    box: tuple[int, int, int, int],
    lines: list[str],
    size: int,
    colour: tuple[int, int, int],
    *,
    align: str = "m",
) -> None:
    """Draw lines in the middle of a box (left, top, right, bottom); `align` is l, m or r."""
    left, top, right, bottom = box
    x = {"l": left, "m": (left + right) / 2, "r": right}[align]
    step = size * LINE_HEIGHT
    y = (top + bottom) / 2 - step * (len(lines) - 1) / 2
    for line in lines:
        draw.text((x, y), line, fill=colour, font=font(size), anchor=f"{align}m")
        y += step


def turned_line(
    text: str, size: int, length: int, *, colour: tuple[int, int, int], on: tuple[int, int, int]
) -> Image.Image:
    """One line that reads from bottom to top, in an image of this height."""
    image = Image.new("RGB", (length, block_height(1, size)), on)
    box = (0, 0, length, image.height)
    draw_lines(ImageDraw.Draw(image), box, text_lines(text, size, length), size, colour)
    return image.transpose(Image.Transpose.ROTATE_90)
