"""Text in drawings, broken into lines that fit into a width."""

import math
import re
import unicodedata
from typing import Final

from PIL import Image, ImageDraw

from engine.contract.images import bidi, fonts

LINE_HEIGHT: Final = 1.25
"""Of a line of text, in font sizes."""
_ELLIPSIS: Final = "…"
_VARIANTS: Final = "\ufe0e\ufe0f"
"""They ask for a sign in black or in colour; drawings have one form of each."""
_REPLACEMENT: Final = "\ufffd"
_BREAK: Final = re.compile(
    r"(?<=[_\-/.,])(?=[^\d\s])|(?<=\s)|(?<=[\u3000-\u9fff\uff00-\uffef])(?=[\u3040-\u9fff])"
)
"""Lines may end at spaces, inside of names such as `dpmpp_2m_karras`, and between the characters of
Chinese and Japanese."""


def drawable(text: str) -> str:
    """The text in one line, without characters that have no form."""
    line = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(filter(None, map(_drawable_character, line)))


def _drawable_character(character: str) -> str:
    """The character, or one like it that a font has.

    Nothing for controls and formats; the sign of an error for half of a surrogate pair.
    """
    category = unicodedata.category(character)
    if character in fonts.JOINERS:
        return character if fonts.HAS_SHAPING else ""
    if category == "Cs":
        return _REPLACEMENT
    if category in ("Cc", "Cf") or character in _VARIANTS:
        return ""
    return character if fonts.has_form(character) else unicodedata.normalize("NFKC", character)


def text_width(text: str, size: int) -> int:
    """Pixels from the left to the right end of a line of text, rounded up."""
    return math.ceil(sum(_run_width(run, size) for run in fonts.runs(text)))


def _run_width(run: fonts.Run, size: int) -> float:
    text, direction = _glyphs(run)
    return fonts.load(run.font, size).getlength(text, direction=direction)


def _glyphs(run: fonts.Run) -> tuple[str, str | None]:
    """The text and the direction for Pillow, which knows directions only where it shapes."""
    if fonts.is_shaped(run.font):
        return run.text, "rtl" if run.is_right_to_left else "ltr"
    return (bidi.turned(run.text) if run.is_right_to_left else run.text), None


def text_lines(text: str, size: int, width: int, max_lines: int = 1) -> list[str]:
    """The text as lines that are at most so many pixels wide.

    What does not fit into the lines is cut and replaced by an ellipsis.
    """
    lines: list[str] = []
    rest = drawable(text)
    while rest and len(lines) < max_lines:
        is_last = len(lines) == max_lines - 1
        line = _cut(rest, size, width) if is_last else _first_line(rest, size, width)
        lines.append(_cut(line.strip(), size, width))
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
        _draw_line(draw, (x, y), line, size, colour, align)
        y += step


def _draw_line(
    draw: ImageDraw.ImageDraw,
    point: tuple[float, float],
    line: str,
    size: int,
    colour: tuple[int, int, int],
    align: str,
) -> None:
    """The runs on one baseline; the point is in the middle of the line's height."""
    runs = fonts.runs(line)
    widths = [_run_width(run, size) for run in runs]
    x = point[0] - sum(widths) * {"l": 0, "m": 0.5, "r": 1}[align]
    ascent, descent = fonts.load(fonts.BASE, size).getmetrics()
    baseline = point[1] + (ascent - descent) / 2
    for run, width in zip(runs, widths, strict=True):
        text, direction = _glyphs(run)
        font = fonts.load(run.font, size)
        draw.text((x, baseline), text, colour, font, "ls", direction=direction)
        x += width


def turned_line(
    text: str, size: int, length: int, *, colour: tuple[int, int, int], on: tuple[int, int, int]
) -> Image.Image:
    """One line that reads from bottom to top, in an image of this height."""
    image = Image.new("RGB", (length, block_height(1, size)), on)
    box = (0, 0, length, image.height)
    draw_lines(ImageDraw.Draw(image), box, text_lines(text, size, length), size, colour)
    return image.transpose(Image.Transpose.ROTATE_90)
