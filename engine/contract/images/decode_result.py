"""The result of decoding an image file: a status and pixels, as a tuple and as bytes."""

import struct
from enum import IntEnum
from typing import Final, NamedTuple

MAX_PIXELS: Final = 25_000_000
"""Of an image that is decoded at full size."""
MAX_JPEG_PIXELS: Final = 200_000_000
"""Of a JPEG, which can be decoded at a fraction of its size."""
MAX_SIDE: Final = 2048
MIN_SIDE: Final = 8
"""Of an upload. Scaling it down to MAX_SIDE may leave a shorter side."""
_HEADER: Final = struct.Struct(">BII")


class DecodeStatus(IntEnum):
    """The result of decoding a file."""

    OK = 1
    """The pixels follow."""
    UNKNOWN_FORMAT = 2
    """The file is in none of the formats that are decoded."""
    TOO_LARGE = 3
    """Its header states too many pixels; it was not decoded."""
    TOO_SMALL = 4
    """Its header states a side of too few pixels; it was not decoded."""
    CORRUPT = 5
    """It is damaged or truncated."""
    OUT_OF_MEMORY = 6
    """It needs more memory than the sandbox allows."""


class DecodeResult(NamedTuple):
    """All that leaves the decoder: numbers and pixels, no other byte of the file."""

    status: DecodeStatus
    width: int = 0
    height: int = 0
    pixels: bytes = b""
    """sRGB, 3 bytes a pixel, row by row; empty unless the status is OK."""
    alpha: bytes = b""
    """A byte a pixel, 0 for transparent ones; empty if all are opaque."""

    def pack(self) -> bytes:
        """Return the result as bytes, for `unpack`."""
        return _HEADER.pack(self.status, self.width, self.height) + self.pixels + self.alpha


MAX_RESULT_BYTES: Final = _HEADER.size + 4 * MAX_SIDE * MAX_SIDE


def unpack(data: bytes) -> DecodeResult:
    """Parse and check a packed result. Raises ValueError if it is malformed."""
    if len(data) < _HEADER.size:
        raise ValueError(f"a result of {len(data)} bytes")
    number, width, height = _HEADER.unpack_from(data)
    status, pixels = DecodeStatus(number), data[_HEADER.size :]
    if status is DecodeStatus.OK and not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ValueError(f"an image of {width} x {height}")
    area = width * height
    if len(pixels) not in ((3 * area, 4 * area) if status is DecodeStatus.OK else (0,)):
        raise ValueError(f"{len(pixels)} bytes of pixels, {width} x {height}")
    return DecodeResult(status, width, height, pixels[: 3 * area], pixels[3 * area :])
