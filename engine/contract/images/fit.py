"""Fit an image into another size: cover it, be contained in it, or be stretched to it."""

import math
from enum import StrEnum
from typing import Final

from PIL import Image

_MAX_COVERING_RATIO: Final = 8
"""If the resized image would have more than this many times the pixels of the result, the image is
cropped before it is resized. Otherwise a thin strip would take gigabytes of memory."""


class Fit(StrEnum):
    """How an image of another aspect ratio is brought to a size. Its name is stored."""

    CONTAIN = "contain"
    """The whole image is visible; what is left beside it is filled with its outermost pixels."""
    COVER = "cover"
    """The image fills all of the size; what sticks out is cropped equally on both sides."""
    STRETCH = "stretch"
    """Width and height are scaled by different factors, so that shapes are distorted."""


def fitted(image: Image.Image, width: int, height: int, fit: Fit) -> Image.Image:
    """The RGB image at exactly this size. Only STRETCH changes the aspect ratio of what it shows.

    An image of this size is returned unchanged.
    """
    if image.size == (width, height):
        return image
    if fit is Fit.STRETCH:
        return image.resize((width, height), Image.Resampling.LANCZOS)
    if fit is Fit.CONTAIN:
        return _contained(image, width, height)
    return resize_and_crop(image, width, height)


def _contained(image: Image.Image, width: int, height: int) -> Image.Image:
    scale = min(width / image.width, height / image.height)
    inner = image.resize(
        (_scaled(image.width, scale, width), _scaled(image.height, scale, height)),
        Image.Resampling.LANCZOS,
    )
    left, top = (width - inner.width) // 2, (height - inner.height) // 2
    right, bottom = left + inner.width, top + inner.height
    result = Image.new(image.mode, (width, height))
    result.paste(inner, (left, top))
    for line, start, end in ((left, 0, left), (right - 1, right, width)):
        if start < end:
            column = result.crop((line, top, line + 1, bottom))
            result.paste(column.resize((end - start, inner.height)), (start, top))
    for line, start, end in ((top, 0, top), (bottom - 1, bottom, height)):
        if start < end:
            row = result.crop((0, line, width, line + 1))
            result.paste(row.resize((width, end - start)), (0, start))
    return result


def _scaled(side: int, scale: float, most: int) -> int:
    return min(max(1, math.floor(side * scale + 0.5)), most)


def resize_and_crop(
    image: Image.Image,
    width: int,
    height: int,
    resampling: Image.Resampling = Image.Resampling.LANCZOS,
) -> Image.Image:
    """The image at exactly this size: resized to cover it, then cropped equally on both sides.

    An image of this size is returned unchanged.
    """
    if image.size == (width, height):
        return image
    scale = max(width / image.width, height / image.height)
    covering = (
        max(width, math.floor(image.width * scale + 0.5)),
        max(height, math.floor(image.height * scale + 0.5)),
    )
    if covering[0] * covering[1] > _MAX_COVERING_RATIO * width * height:
        box = _centre_box(image, width, height)
        return image.resize((width, height), resampling, box)
    large = image.resize(covering, resampling)
    left, top = (large.width - width) // 2, (large.height - height) // 2
    return large.crop((left, top, left + width, top + height))


def _centre_box(image: Image.Image, width: int, height: int) -> tuple[float, float, float, float]:
    """The largest box of this aspect ratio in the centre of the image: left, top, right, bottom."""
    scale = max(width / image.width, height / image.height)
    box_width, box_height = width / scale, height / scale
    left, top = (image.width - box_width) / 2, (image.height - box_height) / 2
    return left, top, left + box_width, top + box_height
