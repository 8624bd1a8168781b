"""Decode an init image."""

from PIL import Image, ImageChops

from engine.contract.images import decoder
from engine.contract.images.decode_result import MIN_SIDE, DecodeResult
from engine.contract.images.refusals import MAX_FILE_BYTES, check_decoded, check_file_size
from engine.contract.wire import MAX_FRAME_BYTES


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
