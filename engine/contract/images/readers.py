"""Open an untrusted image file with the one reader that its signature determines.

Only Pillow's readers for these formats can be reached. No reader decodes pixels yet; sizes are
checked before one allocates memory for them.
"""

import struct
import zlib
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Final

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from engine.contract.images.decode_result import (
    MAX_JPEG_PIXELS,
    MAX_PIXELS,
    MAX_SIDE,
    MIN_SIDE,
    DecodeResult,
    DecodeStatus,
)
from engine.contract.images.formats import ImageFormat

_PNG_SIGNATURE_BYTES: Final = 8
_PNG_CHUNKS: Final = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND")
_BIT_DEPTH_OFFSET: Final = 24
_MAX_PROFILE_BYTES: Final = 4 * 1024 * 1024
_END_OF_JPEG: Final = b"\xff\xd9"
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the sandbox allows no new threads


Reader = Callable[[bytes, int], ImageFile.ImageFile]
"""Opens a file of one format whose sides have at least so many pixels. Raises Rejected, or whatever
its library raises."""


class Rejected(Exception):
    """The file is not decoded; the result says why."""

    def __init__(self, result: DecodeResult) -> None:
        super().__init__(result.status.name)
        self.result = result


def check_size(
    width: int, height: int, min_side: int = MIN_SIDE, *, max_pixels: int = MAX_PIXELS
) -> None:
    """Raise Rejected if an image of this size is not decoded."""
    if width * height > max_pixels:
        raise Rejected(DecodeResult(DecodeStatus.TOO_LARGE, width, height))
    if min(width, height) < min_side:
        raise Rejected(DecodeResult(DecodeStatus.TOO_SMALL, width, height))


def _open_with(reader: Callable[[BytesIO], ImageFile.ImageFile]) -> Reader:
    def open_image(data: bytes, min_side: int) -> ImageFile.ImageFile:
        image = reader(BytesIO(data))
        check_size(*image.size, min_side)
        return image

    return open_image


def open_png(data: bytes, min_side: int) -> ImageFile.ImageFile:
    """Open a PNG. Its bit depth is stored as `info["depth"]`."""
    chunks = _png_chunks(data)
    essential = [chunk for name, chunk in chunks if name in _PNG_CHUNKS]
    png = b"".join([data[:_PNG_SIGNATURE_BYTES], *essential])
    image = PngImagePlugin.PngImageFile(BytesIO(png))
    check_size(*image.size, min_side)
    image.info["depth"] = png[_BIT_DEPTH_OFFSET]
    image.info["icc_profile"] = _png_profile(dict(chunks).get(b"iCCP"))
    return image


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes | memoryview]]:
    """The type and the bytes of each chunk up to the first IEND; trailing data are ignored.

    Metadata and later frames are left out when the file is read, so that none is decompressed.
    Raises Rejected if a chunk is missing, truncated or has a wrong checksum.
    """
    view, start = memoryview(data), _PNG_SIGNATURE_BYTES
    chunks: list[tuple[bytes, bytes | memoryview]] = []
    while start + 12 <= len(data):
        kind, body = start + 4, start + 8
        end = body + int.from_bytes(view[start:kind])
        if zlib.crc32(view[kind:end]) != int.from_bytes(view[end : end + 4]):
            break
        name = bytes(view[kind:body])
        chunks.append((name, view[start : end + 4]))
        if name == b"IEND":
            return chunks
        start = end + 4
    raise Rejected(DecodeResult(DecodeStatus.CORRUPT))


def _png_profile(chunk: bytes | memoryview | None) -> bytes | None:
    """The colour profile of an iCCP chunk, decompressed up to a limit; None if it has none."""
    if chunk is None:
        return None
    _, _, compressed = bytes(chunk[8:-4]).partition(b"\0")
    try:
        return zlib.decompressobj().decompress(compressed[1:], _MAX_PROFILE_BYTES)
    except zlib.error:
        return None


def open_jpeg(data: bytes, min_side: int) -> ImageFile.ImageFile:
    """Open a JPEG, to be decoded at 1/2, 1/4 or 1/8 of its size if MAX_SIDE allows no more.

    The further images that a camera may append (MPO) are ignored.
    """
    file = BytesIO(data)
    image = JpegImagePlugin.JpegImageFile(file)
    if data.find(_END_OF_JPEG, file.tell()) < 0:
        raise Rejected(DecodeResult(DecodeStatus.CORRUPT))
    check_size(*image.size, min_side, max_pixels=MAX_JPEG_PIXELS)
    scale = min(1.0, MAX_SIDE / max(image.size))
    image.draft(None, (max(1, int(image.width * scale)), max(1, int(image.height * scale))))
    return image


def open_webp(data: bytes, min_side: int) -> ImageFile.ImageFile:
    """Open a WebP. Checks the size first: the reader allocates the whole canvas at once."""
    check_size(*_webp_size(data), min_side)
    return _open_with(WebPImagePlugin.WebPImageFile)(data, min_side)


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


def _readers() -> dict[ImageFormat, Reader]:
    readers: dict[ImageFormat, Reader] = {
        ImageFormat.PNG: open_png,
        ImageFormat.JPEG: open_jpeg,
        ImageFormat.WEBP: open_webp,
        ImageFormat.GIF: _open_with(GifImagePlugin.GifImageFile),
        ImageFormat.BMP: _open_with(BmpImagePlugin.BmpImageFile),
        ImageFormat.TIFF: _open_with(TiffImagePlugin.TiffImageFile),
    }
    if AvifImagePlugin.SUPPORTED:
        readers[ImageFormat.AVIF] = _open_with(AvifImagePlugin.AvifImageFile)
    return readers


READERS: Final[Mapping[ImageFormat, Reader]] = _readers()
"""The formats that are decoded here."""
