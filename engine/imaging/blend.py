"""Blend overlapping tiles into one image, and give it the colours of another."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from engine.contract.tiles import Box


def blend(images: Sequence[Image.Image], boxes: Sequence[Box]) -> Image.Image:
    """The image that these tiles cover; where they overlap, one fades into the other.

    The weight of a tile falls towards each of its edges, except those of the image, so no edge is
    visible even where tiles disagree.
    """
    width, height = max(box.right for box in boxes), max(box.bottom for box in boxes)
    total = np.zeros((height, width, 3))
    weights = np.zeros((height, width, 1))
    for image, box in zip(images, boxes, strict=True):
        weight = _weight(box, width, height)
        part = np.s_[box.top : box.bottom, box.left : box.right]
        total[part] += np.asarray(image.convert("RGB"), dtype=np.float64) * weight
        weights[part] += weight
    return Image.fromarray(np.rint(total / weights).astype(np.uint8))


def with_colours_of(picture: Image.Image, image: Image.Image, radius: float) -> Image.Image:
    """The details of `image` with the colours of `picture`, whose features are larger than about
    `radius` pixels.

    Painting over a picture shifts its colours. As in StableSR (Wang et al. 2023,
    https://arxiv.org/abs/2305.07015), the low frequencies are replaced, here those of a Gaussian.
    """
    blur = ImageFilter.GaussianBlur(radius)
    levels = (
        np.asarray(image, dtype=np.int16)
        + np.asarray(picture.filter(blur), dtype=np.int16)
        - np.asarray(image.filter(blur), dtype=np.int16)
    )
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def _weight(box: Box, width: int, height: int) -> NDArray[np.float64]:
    """The weights of the pixels of a tile, (box height, box width, 1), above 0."""
    columns = _ramp(box.right - box.left, box.left > 0, box.right < width)
    rows = _ramp(box.bottom - box.top, box.top > 0, box.bottom < height)
    return (rows[:, None] * columns)[..., None]


def _ramp(length: int, fades_in: bool, fades_out: bool) -> NDArray[np.float64]:
    distance = np.arange(length) + 0.5
    ramp = np.full(length, float(length))
    if fades_in:
        ramp = np.minimum(ramp, distance)
    if fades_out:
        ramp = np.minimum(ramp, distance[::-1])
    return ramp
