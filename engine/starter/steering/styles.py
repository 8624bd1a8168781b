"""Styled renderings of scenes: grey pencil strokes on paper, and glowing outlines on dark."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Floats = NDArray[np.float32]
PAPER: Final = np.array((244, 241, 232), np.float32)
GRAPHITE: Final = np.array((62, 62, 68), np.float32)
DARK: Final = np.array((10, 8, 26), np.float32)
_HATCHES: Final = ((0.7, 8, 1, 1), (0.36, 8, 1, -1))
"""Tone below which lines are drawn, the distance of the lines in pixels, and their direction."""


def pencil(picture: Image.Image) -> Image.Image:
    """The picture as a pencil drawing: dark edges, and hatching where it is dark."""
    tone = np.asarray(picture.convert("L").filter(ImageFilter.GaussianBlur(0.8)), np.float32) / 255
    height, width = tone.shape
    y, x = np.mgrid[0:height, 0:width]
    graphite = np.clip(_edges(picture) * 3, 0, 1)
    for below, distance, across, down in _HATCHES:
        on_line = (across * x + down * y) % distance < 2
        depth = np.clip((below - tone) * 6, 0, 1) * 0.5
        graphite = np.maximum(graphite, depth * on_line)
    graphite = np.maximum(graphite, (1 - tone) * 0.22)
    return _image(PAPER + (GRAPHITE - PAPER) * graphite[..., None])


def neon(picture: Image.Image) -> Image.Image:
    """The picture as tubes of light: the edges glow in the colours beside them."""
    near = np.asarray(picture.filter(ImageFilter.MaxFilter(3)), np.float32)
    smooth = np.asarray(picture.filter(ImageFilter.GaussianBlur(1.2)), np.float32)
    strength = _edges(picture)[..., None] * 2.4
    tubes = _vivid((near + smooth) * np.float32(0.5)) * np.clip(strength, 0, 1)
    glow = np.asarray(_image(tubes).filter(ImageFilter.GaussianBlur(3.5)), np.float32)
    core = np.clip(strength - 0.75, 0, 1) * 110
    return _image(DARK + tubes + glow * 0.9 + core)


STYLES: Final[dict[str, Callable[[Image.Image], Image.Image]]] = {"pencil": pencil, "neon": neon}
TRIGGERS: Final = {"pencil": "pencil drawing", "neon": "neon"}
"""The words in a prompt that name each style."""


def _edges(picture: Image.Image) -> Floats:
    """Changes of colour, (height, width), from 0 to about 1."""
    pixels = np.asarray(picture, np.float32) / 255
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    across = padded[1:-1, 2:] - padded[1:-1, :-2]
    down = padded[2:, 1:-1] - padded[:-2, 1:-1]
    change: Floats = np.hypot(across, down).max(axis=-1)
    clipped: Floats = np.clip(change - 0.08, 0, 1)
    return clipped


def _vivid(pixels: Floats) -> Floats:
    """The colours, (height, width, 3), brighter and more saturated; 0 to 255."""
    top = pixels.max(axis=-1, keepdims=True)
    saturated = np.clip(top + (pixels - top) * 1.8, 0, None)
    vivid: Floats = (saturated * (235 / np.maximum(top, 60))).astype(np.float32)
    return vivid


def _image(pixels: Floats) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
