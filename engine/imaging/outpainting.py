"""The canvas of an outpainting: an image, and what is around it before that is painted."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from engine.contract import Outpaint

OVERLAP: Final = 8
"""Pixels of the image at each edge inside the canvas in which it fades into what is painted; at
most an eighth of its side."""
_BLUR_SHARE: Final = 1 / 3
"""Of the largest distance to the image: the radius of the blur of the stretched edges."""
_NOISE_LEVELS: Final = 16.0
"""Standard deviation of the noise on them: without it, a low strength leaves them flat."""
_SEED: Final = 20
_SUMMANDS: Final = 4


def canvas(image: Image.Image, place: Outpaint, size: tuple[int, int]) -> Image.Image:
    """The image at its place on a canvas of this size. The colours of its edges are stretched over
    the rest, blurred, with some noise."""
    resized = image.convert("RGB")
    if resized.size != (place.width, place.height):
        resized = resized.resize((place.width, place.height), Image.Resampling.LANCZOS)
    margins = _margins(place, size)
    stretched = np.pad(np.asarray(resized), (margins[1], margins[0], (0, 0)), mode="edge")
    width, height = size
    radius = max(map(max, margins)) * _BLUR_SHARE
    blurred = Image.fromarray(stretched).filter(ImageFilter.GaussianBlur(radius))
    levels = np.rint(np.asarray(blurred) + _noise(height, width)).clip(0, 255)
    filled = Image.fromarray(levels.astype(np.uint8))
    filled.paste(resized, (place.left, place.top))
    return filled


def canvas_mask(place: Outpaint, size: tuple[int, int]) -> Image.Image:
    """What is painted of the canvas: white around the image, fading to black within it."""
    (left, right), (top, bottom) = _margins(place, size)
    columns = _kept(place.width, is_inside=(left > 0, right > 0))
    rows = _kept(place.height, is_inside=(top > 0, bottom > 0))
    image_share = np.minimum(rows[:, None], columns)
    levels = np.pad(
        np.rint(255 * (1 - image_share)), ((top, bottom), (left, right)), constant_values=255
    )
    return Image.fromarray(levels.astype(np.uint8))


def _noise(height: int, width: int) -> NDArray[np.float64]:
    """Noise of a standard deviation of _NOISE_LEVELS, (height, width, 3).

    Each number is the sum of four random bytes. numpy promises that these stay the same.
    """
    count = height * width * 3
    raw = np.random.PCG64(_SEED).random_raw(-(-count // 2))
    sums = (
        raw.astype("<u8").view(np.uint8).reshape(-1, _SUMMANDS)[:count].sum(axis=1, dtype=np.int64)
    )
    deviation = np.sqrt(_SUMMANDS * (256**2 - 1) / 12)
    noise: NDArray[np.float64] = (sums - _SUMMANDS * 127.5) * (_NOISE_LEVELS / deviation)
    return noise.reshape(height, width, 3)


def _margins(place: Outpaint, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Left and right, top and bottom of the image, in pixels."""
    width, height = size
    return (
        (place.left, width - place.left - place.width),
        (place.top, height - place.top - place.height),
    )


def _kept(length: int, is_inside: tuple[bool, bool]) -> NDArray[np.float64]:
    """How much of each pixel of a side is kept, from 0 to 1; less near the ends that are inside the
    canvas."""
    overlap = max(1, min(OVERLAP, length // 8))
    ramp = np.minimum(1.0, (np.arange(length) + 0.5) / overlap)
    image_share = np.ones(length)
    for nearest, distance in zip(is_inside, (ramp, ramp[::-1]), strict=True):
        if nearest:
            image_share = np.minimum(image_share, distance)
    return image_share
