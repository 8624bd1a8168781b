"""Decode an untrusted image file: its first frame, upright, on white, without metadata.

Runs in the sandbox (sandbox_main.py), which starts a process for each file: it needs Pillow and
little else. The file's signature alone determines the format, and only Pillow's readers for PNG,
JPEG and WebP can be reached.
"""

import struct
import warnings
import zlib
from enum import IntEnum
from io import BytesIO
from typing import Final, NamedTuple

# Besides the readers, the modules that Pillow would otherwise import while it decodes.
from PIL import (
    Image,
    ImageFile,
    ImagePalette,  # noqa: F401
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,
)

MAX_PIXELS: Final = 25_000_000
MAX_SIDE: Final = 2048
MIN_SIDE: Final = 8
_HEADER: Final = struct.Struct(">BII")
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNKS: Final = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND")
_BIT_DEPTH_OFFSET: Final = 24
_JPEG: Final = b"\xff\xd8\xff"
_END_OF_JPEG: Final = b"\xff\xd9"
_ORIENTATION: Final = 0x0112
_TRANSPOSITIONS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that turns an image of this EXIF orientation upright (EXIF 2.32, tag 274)."""


class DecodeStatus(IntEnum):
    """The result of decoding a file."""

    OK = 1
    """The pixels follow."""
    UNKNOWN_FORMAT = 2
    """The file is not a PNG, JPEG or WebP."""
    TOO_LARGE = 3
    """Its header states more than MAX_PIXELS pixels; it was not decoded."""
    TOO_SMALL = 4
    """Its header states a side shorter than MIN_SIDE pixels; it was not decoded."""
    CORRUPT = 5
    """It is damaged or truncated."""
    OUT_OF_MEMORY = 6
    """It needs more memory than the sandbox allows."""


class DecodeResult(NamedTuple):
    """All that leaves the sandbox: numbers and pixels, no other byte of the file."""

    status: DecodeStatus
    width: int = 0
    height: int = 0
    pixels: bytes = b""
    """RGB, 3 bytes a pixel, row by row; empty unless the status is OK."""

    def pack(self) -> bytes:
        """Return the result as bytes, for `unpack`."""
        return _HEADER.pack(self.status, self.width, self.height) + self.pixels


MAX_RESULT_BYTES: Final = _HEADER.size + 3 * MAX_SIDE * MAX_SIDE


def unpack(data: bytes) -> DecodeResult:
    """Parse and check a packed result. Raises ValueError if it is malformed."""
    if len(data) < _HEADER.size:
        raise ValueError(f"a result of {len(data)} bytes")
    number, width, height = _HEADER.unpack_from(data)
    status, pixels = DecodeStatus(number), data[_HEADER.size :]
    if status is DecodeStatus.OK and not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ValueError(f"an image of {width} x {height}")
    if len(pixels) != (3 * width * height if status is DecodeStatus.OK else 0):
        raise ValueError(f"{len(pixels)} bytes of pixels, {width} x {height}")
    return DecodeResult(status, width, height, pixels)


def decode(data: bytes) -> DecodeResult:
    """Decode a file. The sandbox must limit time and memory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about oddities in the file; we have limits of our own
        try:
            return _decode(data)
        except MemoryError:
            return DecodeResult(DecodeStatus.OUT_OF_MEMORY)
        except Exception:  # noqa: BLE001 # Pillow raises nearly anything for a malformed file
            return DecodeResult(DecodeStatus.CORRUPT)


def _decode(data: bytes) -> DecodeResult:
    if data.startswith(_PNG):
        return _decode_png(data)
    if data.startswith(_JPEG):
        return _decode_jpeg(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _decode_webp(data)
    return DecodeResult(DecodeStatus.UNKNOWN_FORMAT)


def _decode_png(data: bytes) -> DecodeResult:
    png = _essential_chunks(data)
    if png is None:
        return DecodeResult(DecodeStatus.CORRUPT)
    return _decode_frame(PngImagePlugin.PngImageFile(BytesIO(png)), depth=png[_BIT_DEPTH_OFFSET])


def _essential_chunks(data: bytes) -> bytes | None:
    """The PNG without metadata, later frames and trailing data, so that none is decompressed.

    None if a chunk is missing, truncated or has a wrong checksum.
    """
    view, start = memoryview(data), len(_PNG)
    chunks: list[bytes | memoryview] = [_PNG]
    while start + 12 <= len(data):
        kind, body = start + 4, start + 8
        end = body + int.from_bytes(view[start:kind])
        if zlib.crc32(view[kind:end]) != int.from_bytes(view[end : end + 4]):
            return None
        name = bytes(view[kind:body])
        if name in _PNG_CHUNKS:
            chunks.append(view[start : end + 4])
        if name == b"IEND":
            return b"".join(chunks)
        start = end + 4
    return None


def _decode_jpeg(data: bytes) -> DecodeResult:
    """The further images that a camera may append (MPO) are ignored."""
    file = BytesIO(data)
    image = JpegImagePlugin.JpegImageFile(file)
    if data.find(_END_OF_JPEG, file.tell()) < 0:
        return DecodeResult(DecodeStatus.CORRUPT)
    return _decode_frame(image)


def _decode_webp(data: bytes) -> DecodeResult:
    """Checks the size first: Pillow's reader allocates the whole canvas when it is created."""
    return _check_size(*_webp_size(data)) or _decode_frame(
        WebPImagePlugin.WebPImageFile(BytesIO(data))
    )


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height of the first chunk (RFC 9649, section 2)."""
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", body[6:10])
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError(f"a WebP that begins with {kind!r}")


def _check_size(width: int, height: int) -> DecodeResult | None:
    """The result for an image of a size that is not decoded; None if it is allowed."""
    if width * height > MAX_PIXELS:
        return DecodeResult(DecodeStatus.TOO_LARGE, width, height)
    if min(width, height) < MIN_SIDE:
        return DecodeResult(DecodeStatus.TOO_SMALL, width, height)
    return None


def _decode_frame(file: ImageFile.ImageFile, *, depth: int = 8) -> DecodeResult:
    """Decode the first frame only. `depth` is in bits a channel."""
    if failure := _check_size(*file.size):
        return failure
    file.load()
    orientation = _orientation(file)
    _scale_transparent_colour(file, depth)
    image = _to_rgb(file)
    image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    if orientation in _TRANSPOSITIONS:
        image = image.transpose(_TRANSPOSITIONS[orientation])
    image = _on_white(image)
    return DecodeResult(DecodeStatus.OK, *image.size, image.tobytes())


def _orientation(image: Image.Image) -> object:
    """The EXIF orientation; None if there is none or the metadata are damaged."""
    try:
        return image.getexif().get(_ORIENTATION)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 # as in decode()
        return None


def _scale_transparent_colour(image: Image.Image, depth: int) -> None:
    """Scale the transparent colour to 8 bits, like the channels. A palette index stays as it is."""
    colour = image.info.get("transparency")
    if depth == 16 and isinstance(colour, tuple):
        image.info["transparency"] = tuple(level >> 8 for level in colour)
    elif depth == 16 and isinstance(colour, int):
        image.info["transparency"] = colour >> 8
    elif depth in (2, 4) and image.mode == "L" and isinstance(colour, int):
        image.info["transparency"] = colour * 255 // (2**depth - 1)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert to RGB, or to RGBA if the image has transparency."""
    if image.mode in ("I", "I;16"):  # 16 bits a pixel; convert() would clip, not scale
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    background = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(background, image).convert("RGB")
