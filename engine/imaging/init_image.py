"""Decode an init image, and resize and crop it to the size of a recipe."""

import math
from typing import Final

from PIL import Image, ImageChops

from engine.contract.images import decoder
from engine.contract.images.decode_result import MIN_SIDE, DecodeResult
from engine.contract.images.refusals import MAX_FILE_BYTES, check_decoded, check_file_size
from engine.contract.wire import MAX_FRAME_BYTES

_MAX_COVERING_RATIO: Final = 8
"""If the resized image would have more than this many times the pixels of the result, the image is
cropped before it is resized. Otherwise a thin strip would take gigabytes of memory."""


def decode(data: bytes) -> Image.Image:
    """The image as the bot decodes an upload, but not in a sandbox. Raises InvalidImage."""
    return _decode(data, MAX_FILE_BYTES, MIN_SIDE)


def decode_source(data: bytes) -> Image.Image:
    """The init image of a job. Raises InvalidImage.

    What the bot has made of an upload may exceed the limits of uploads: the PNG of a small JPEG is
    larger, and a strip that was scaled down is thinner.
    """
    return _decode(data, MAX_FRAME_BYTES, 1)


def decode_mask(data: bytes) -> Image.Image:
    """A mask, white where a picture is painted. Of a file with transparent parts, these are white
    and all others are black. Raises InvalidImage."""
    result = _result(data, MAX_FILE_BYTES, MIN_SIDE)
    if result.alpha:
        size = result.width, result.height
        return ImageChops.invert(Image.frombytes("L", size, result.alpha)).convert("RGB")
    return _image(result)


def _decode(data: bytes, max_bytes: int, min_side: int) -> Image.Image:
    return _image(_result(data, max_bytes, min_side))


def _result(data: bytes, max_bytes: int, min_side: int) -> DecodeResult:
    check_file_size(len(data), max_bytes)
    result = decoder.decode(data, min_side=min_side)
    check_decoded(result, data)
    return result


def _image(result: DecodeResult) -> Image.Image:
    return Image.frombytes("RGB", (result.width, result.height), result.pixels)


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
