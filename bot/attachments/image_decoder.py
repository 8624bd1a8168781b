"""Untrusted bytes to plain pixels: the first frame, upright, on white, without metadata.

Runs inside the sandbox (sandbox_main.py), which starts anew for each file: it needs Pillow and
little else. It never asks a name what a file is, and no reader but these three can be reached.
"""

import struct
import warnings
import zlib
from enum import IntEnum
from io import BytesIO
from typing import Final, NamedTuple

# Besides its readers, what Pillow would import while it decodes.
from PIL import (
    Image,
    ImageFile,
    ImagePalette,  # noqa: F401
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,
)

PIXELS_LIMIT: Final = 25_000_000
SIDE_LIMIT: Final = 2048
SIDE_SMALLEST: Final = 8
_HEADER: Final = struct.Struct(">BII")
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNKS: Final = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND")
_DEPTH: Final = 24
"""Where a PNG tells the bits of a channel."""
_JPEG: Final = b"\xff\xd8\xff"
_END_OF_JPEG: Final = b"\xff\xd9"
_ORIENTATION: Final = 0x0112
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What to do to a picture of this EXIF orientation (EXIF 2.32, tag 274)."""
_DAMAGE: Final = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    struct.error,
    zlib.error,
)
"""What Pillow raises for files that are not what they should be."""


class Verdict(IntEnum):
    """What became of a file."""

    PICTURE = 1
    """It is one; the pixels follow."""
    NO_PICTURE = 2
    """It is none of the three formats."""
    TOO_LARGE = 3
    """It says that it has more than PIXELS_LIMIT pixels; it was not decoded."""
    TOO_SMALL = 4
    """It says that a side has fewer than SIDE_SMALLEST pixels; it was not decoded."""
    BROKEN = 5
    """It is damaged, or ends too early."""
    TOO_MUCH_MEMORY = 6
    """It needs more memory than the sandbox may have."""


class Answer(NamedTuple):
    """All that comes out of the sandbox: numbers and pixels, and never a word of the file."""

    verdict: Verdict
    width: int = 0
    height: int = 0
    pixels: bytes = b""
    """RGB, 3 bytes a pixel, row by row; of a picture only."""

    def packed(self) -> bytes:
        """As bytes."""
        return _HEADER.pack(self.verdict, self.width, self.height) + self.pixels


ANSWER_LIMIT: Final = _HEADER.size + 3 * SIDE_LIMIT * SIDE_LIMIT
"""Bytes of the longest answer."""


def unpacked(data: bytes) -> Answer:
    """An answer that makes sense, from bytes that may not. Raises ValueError."""
    if len(data) < _HEADER.size:
        raise ValueError(f"an answer of {len(data)} bytes")
    number, width, height = _HEADER.unpack_from(data)
    verdict, pixels = Verdict(number), data[_HEADER.size :]
    if verdict is Verdict.PICTURE and not (0 < width <= SIDE_LIMIT and 0 < height <= SIDE_LIMIT):
        raise ValueError(f"a picture of {width} x {height}")
    if len(pixels) != (3 * width * height if verdict is Verdict.PICTURE else 0):
        raise ValueError(f"{len(pixels)} bytes of pixels, {width} x {height}")
    return Answer(verdict, width, height, pixels)


def decode(data: bytes) -> Answer:
    """What this file is. Takes as long, and as much memory, as the file wants."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about oddities in the file; the limits here are ours
        try:
            return _decoded(data)
        except MemoryError:
            return Answer(Verdict.TOO_MUCH_MEMORY)
        except _DAMAGE:
            return Answer(Verdict.BROKEN)


def _decoded(data: bytes) -> Answer:
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(_JPEG):
        return _jpeg(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    return Answer(Verdict.NO_PICTURE)


def _png(data: bytes) -> Answer:
    plain = _plain_png(data)
    if plain is None:
        return Answer(Verdict.BROKEN)
    return _picture(PngImagePlugin.PngImageFile(BytesIO(plain)), depth=plain[_DEPTH])


def _plain_png(data: bytes) -> bytes | None:
    """The same without metadata and later frames, which nobody needs to unpack, nor what follows.

    None unless all chunks are there, to the last, with their checksums.
    """
    view, start = memoryview(data), len(_PNG)
    kept: list[bytes | memoryview] = [_PNG]
    while start + 12 <= len(data):
        kind, body = start + 4, start + 8
        end = body + int.from_bytes(view[start:kind])
        if zlib.crc32(view[kind:end]) != int.from_bytes(view[end : end + 4]):
            return None
        name = bytes(view[kind:body])
        if name in _PNG_CHUNKS:
            kept.append(view[start : end + 4])
        if name == b"IEND":
            return b"".join(kept)
        start = end + 4
    return None


def _jpeg(data: bytes) -> Answer:
    """A camera's may carry small copies of itself (MPO): they are not looked at."""
    file = BytesIO(data)
    opened = JpegImagePlugin.JpegImageFile(file)
    if data.find(_END_OF_JPEG, file.tell()) < 0:
        return Answer(Verdict.BROKEN)
    return _picture(opened)


def _webp(data: bytes) -> Answer:
    """Its reader takes memory for the whole size as soon as it is made."""
    return _unfit(*_webp_size(data)) or _picture(WebPImagePlugin.WebPImageFile(BytesIO(data)))


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


def _unfit(width: int, height: int) -> Answer | None:
    """Why a picture of this size is not worth decoding, if so."""
    if width * height > PIXELS_LIMIT:
        return Answer(Verdict.TOO_LARGE, width, height)
    if min(width, height) < SIDE_SMALLEST:
        return Answer(Verdict.TOO_SMALL, width, height)
    return None


def _picture(opened: ImageFile.ImageFile, *, depth: int = 8) -> Answer:
    """Its first frame; others are not decoded."""
    if unfit := _unfit(*opened.size):
        return unfit
    opened.load()
    orientation = _orientation(opened)
    _scale_transparent_colour(opened, depth)
    picture = _in_colour(opened)
    picture.thumbnail((SIDE_LIMIT, SIDE_LIMIT), Image.Resampling.LANCZOS)
    if orientation in _UPRIGHT:
        picture = picture.transpose(_UPRIGHT[orientation])
    plain = _on_white(picture)
    return Answer(Verdict.PICTURE, *plain.size, plain.tobytes())


def _orientation(opened: Image.Image) -> object:
    """As the metadata say; where they are damaged, nothing."""
    try:
        return opened.getexif().get(_ORIENTATION)
    except _DAMAGE:
        return None


def _scale_transparent_colour(picture: Image.Image, depth: int) -> None:
    """From so many bits to 8, as the channels. A palette's is a number that stays."""
    colour = picture.info.get("transparency")
    if depth == 16 and isinstance(colour, tuple):
        picture.info["transparency"] = tuple(level >> 8 for level in colour)
    elif depth == 16 and isinstance(colour, int):
        picture.info["transparency"] = colour >> 8
    elif depth in (2, 4) and picture.mode == "L" and isinstance(colour, int):
        picture.info["transparency"] = colour * 255 // (2**depth - 1)


def _in_colour(picture: Image.Image) -> Image.Image:
    """RGB, or RGBA if some of it is transparent."""
    if picture.mode in ("I", "I;16"):  # 16 bits a pixel; convert() would clip, not scale
        picture = picture.convert("I").point(lambda value: value / 256).convert("L")
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB":
        return picture
    paper = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(paper, picture).convert("RGB")
