"""Brings a decoded image to the size of the pictures that are painted from it."""

from PIL import Image

from engine.contract.images.decode_result import MAX_SIDE, DecodeResult, DecodeStatus
from engine.contract.images.fit import Fit, fitted

_Size = tuple[int, int]


def fit_pixels(
    decoded: DecodeResult, size: tuple[int, int], fit: Fit, *, is_detailed: bool = False
) -> DecodeResult:
    """The pixels at this width and height or, if the image `is_detailed`, at a multiple of both
    that keeps its details. Transparency is lost."""
    image = Image.frombytes("RGB", (decoded.width, decoded.height), decoded.pixels)
    factor = _factor(image.size, size) if is_detailed else 1
    result = fitted(image, size[0] * factor, size[1] * factor, fit)
    return DecodeResult(DecodeStatus.OK, *result.size, result.tobytes())


def _factor(image: _Size, size: _Size) -> int:
    """How many times larger than the pictures an image may be without being enlarged itself."""
    detail = max(image[0] / size[0], image[1] / size[1])
    return max(1, int(min(detail, MAX_SIDE / max(size))))
