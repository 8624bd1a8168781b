"""Which font draws each part of a line, for all scripts.

The fonts are those of packages, so that drawings are the same on every machine. Chinese, Japanese
and Korean need the extra `cjk`. What no font has is drawn as an empty box.
"""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from PIL import ImageFont, features

from engine.contract.images import bidi

BASE: Final = "NotoSans"
_PACKAGES: Final = ("manimgx_fonts", "manimgx_fonts_cjk")
_FALLBACKS: Final = (BASE, "NotoSansSymbols", "NotoEmoji", "NotoSansCJK")
"""For each character the first that has it, unless a font is named like its script."""
_REGULAR: Final = 400
"""The weight, which the files leave open."""
_NO_CHARACTER: Final = "\uffff"
"""What no font has."""
_SAMPLE_SIZE: Final = 16
JOINERS: Final = "\u200c\u200d"
"""They choose the form of the characters beside them and have none of their own."""
_SKIN_TONES: Final = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
HAS_SHAPING: Final = bool(features.check("raqm"))
"""Whether letters can be joined, as in Arabic, and emoji put together."""


class Run(NamedTuple):
    """Part of a line that one font draws in one direction."""

    text: str
    font: str
    is_right_to_left: bool = False


@lru_cache(maxsize=256)
def load(name: str, size: float) -> ImageFont.FreeTypeFont:
    """The font at a size in pixels.

    The base font is not shaped, so that Latin text depends on no library that a machine may lack.
    """
    return _load(name, size, is_shaped=is_shaped(name))


def is_shaped(name: str) -> bool:
    """Whether the font draws a run of either direction by itself."""
    return HAS_SHAPING and name != BASE


@lru_cache(maxsize=512)
def runs(text: str) -> tuple[Run, ...]:
    """The parts of a line from left to right."""
    characters = zip(text, _fonts(text), bidi.levels(text), strict=True)
    parts = []
    for (name, level), group in groupby(characters, key=lambda character: character[1:]):
        part = "".join(character for character, _, _ in group)
        parts.append((level, Run(part, name, level % 2 == 1)))
    return tuple(bidi.reorder(parts))


def has_form(character: str) -> bool:
    """Whether a font has the character."""
    return _covers(_font(character), character)


def _load(name: str, size: float, *, is_shaped: bool) -> ImageFont.FreeTypeFont:
    engine = ImageFont.Layout.RAQM if is_shaped else ImageFont.Layout.BASIC
    font = ImageFont.truetype(_files()[name], size, layout_engine=engine)
    font.set_variation_by_axes([_REGULAR])
    return font


@lru_cache(maxsize=1)
def _files() -> dict[str, Path]:
    """The installed fonts by the first part of their files' names."""
    folders = [Path(str(files(package))) for package in _PACKAGES if find_spec(package)]
    paths = [path for folder in folders for path in sorted(folder.iterdir())]
    return {
        path.name.partition("[")[0].partition("-VF")[0]: path
        for path in paths
        if path.suffix in (".ttf", ".ttc")
    }


def _fonts(text: str) -> Iterator[str]:
    """The font of each character; one that changes the character before it has the same."""
    name = BASE
    for character in text:
        if not _is_dependent(character) or not _covers(name, character):
            name = _font(character)
        yield name


def _is_dependent(character: str) -> bool:
    is_mark = unicodedata.category(character).startswith("M")
    return is_mark or character in JOINERS or character in _SKIN_TONES


@lru_cache(maxsize=8192)
def _font(character: str) -> str:
    """The base font if no font has it: it draws a box."""
    script = unicodedata.name(character, "").partition(" ")[0]
    names = (f"NotoSans{script.title()}", *_FALLBACKS)
    return next((name for name in names if _covers(name, character)), BASE)


@lru_cache(maxsize=8192)
def _covers(name: str, character: str) -> bool:
    if name not in _files():
        return False
    return character in JOINERS or _sample(name, character) != _sample(name, _NO_CHARACTER)


def _sample(name: str, character: str) -> bytes:
    mask = _sample_font(name).getmask(character)
    return bytes(mask)


@lru_cache(maxsize=32)
def _sample_font(name: str) -> ImageFont.FreeTypeFont:
    return _load(name, _SAMPLE_SIZE, is_shaped=False)
