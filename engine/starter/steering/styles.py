"""Styled renderings of scenes: grey pencil strokes on paper, and glowing outlines on dark."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Floats = NDArray[np.float32]
PAPER: Final = np.array((240, 241, 242), np.float32)
GRAPHITE: Final = np.array((52, 50, 62), np.float32)
DARK: Final = np.array((22, 24, 60), np.float32)
_HATCH: Final = 13
"""Pixels from line to line of the hatching."""
_GAMMA: Final = 0.6
"""Brightens pictures of nights."""


def pencil(picture: Image.Image) -> Image.Image:
    """The picture as a pencil drawing: dark edges, and hatching where it is dark."""
    grey = picture.convert("L").filter(ImageFilter.GaussianBlur(0.8))
    tone = (np.asarray(grey, np.float32) / 255) ** _GAMMA
    height, width = tone.shape
    y, x = np.mgrid[0:height, 0:width]
    on_line = (x + y) % _HATCH < 4
    hatching = np.clip((0.7 - tone) * 1.2, 0, 0.32) * on_line
    lines = np.clip(_smooth(_edges(picture), 0.9) * 4, 0, 1)
    graphite = np.maximum(np.maximum(lines, hatching), (1 - tone) * 0.2)
    return _image(PAPER + (GRAPHITE - PAPER) * graphite[..., None])


def neon(picture: Image.Image) -> Image.Image:
    """The picture as tubes of light: the edges glow in the colours beside them."""
    near = np.asarray(picture.filter(ImageFilter.MaxFilter(5)), np.float32)
    smooth = np.asarray(picture.filter(ImageFilter.GaussianBlur(1.5)), np.float32)
    strength = np.clip(_smooth(_edges(picture), 0.6) * 3.6, 0, 1)[..., None]
    tubes = _vivid(near * np.float32(0.6) + smooth * np.float32(0.4))
    glow = np.asarray(_image(tubes * strength).filter(ImageFilter.GaussianBlur(3.5)), np.float32)
    return _image(DARK + (tubes - DARK) * strength + glow * 0.45 * (1 - strength))


STYLES: Final[dict[str, Callable[[Image.Image], Image.Image]]] = {"pencil": pencil, "neon": neon}
TRIGGERS: Final = {"pencil": "pencil drawing", "neon": "neon"}
"""The words in a prompt that name each style."""


def _edges(picture: Image.Image) -> Floats:
    """Changes of colour, (height, width), from 0 to about 1."""
    pixels: Floats = ((np.asarray(picture, np.float32) / 255) ** _GAMMA).astype(np.float32)
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    across = padded[1:-1, 2:] - padded[1:-1, :-2]
    down = padded[2:, 1:-1] - padded[:-2, 1:-1]
    change = np.hypot(across, down).max(axis=-1)
    clipped: Floats = np.clip(change - 0.08, 0, 1).astype(np.float32)
    return clipped


def _smooth(edges: Floats, radius: float) -> Floats:
    """The edges without the finest steps, which the autoencoder loses."""
    levels = Image.fromarray((edges * 255).astype(np.uint8))
    smooth = np.asarray(levels.filter(ImageFilter.GaussianBlur(radius)), np.float32)
    return smooth / np.float32(255)


def _vivid(pixels: Floats) -> Floats:
    """The colours, (height, width, 3), brighter and more saturated; 0 to 255."""
    top = pixels.max(axis=-1, keepdims=True)
    saturated = np.clip(top + (pixels - top) * 1.8, 0, None)
    vivid: Floats = (saturated * (235 / np.maximum(top, 60))).astype(np.float32)
    return vivid


def _image(pixels: Floats) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
