"""Recognize the format of a file by its signature. Pure: reads no more than its first bytes."""

from enum import Enum
from typing import Final


class ImageFormat(Enum):
    """A format that is decoded, or one that users may take for a picture."""

    PNG = "PNG image"
    JPEG = "JPEG image"
    WEBP = "WebP image"
    GIF = "GIF image"
    BMP = "BMP image"
    TIFF = "TIFF image"
    AVIF = "AVIF image"
    # These are not decoded. (libheif starts threads, which the sandbox forbids.)
    HEIC = "HEIC photo"
    JPEG_XL = "JPEG XL image"
    JPEG_2000 = "JPEG 2000 image"
    SVG = "SVG drawing"
    PSD = "Photoshop file"
    PDF = "PDF document"
    VIDEO = "video"
    ZIP = "ZIP archive"


_SIGNATURES: Final = (
    (b"\x89PNG\r\n\x1a\n", ImageFormat.PNG),
    (b"\xff\xd8\xff", ImageFormat.JPEG),
    (b"GIF87a", ImageFormat.GIF),
    (b"GIF89a", ImageFormat.GIF),
    (b"BM", ImageFormat.BMP),
    (b"II*\0", ImageFormat.TIFF),
    (b"MM\0*", ImageFormat.TIFF),
    (b"II+\0", ImageFormat.TIFF),
    (b"MM\0+", ImageFormat.TIFF),
    (b"\xff\x0a", ImageFormat.JPEG_XL),
    (b"\0\0\0\x0cJXL \r\n\x87\n", ImageFormat.JPEG_XL),
    (b"\0\0\0\x0cjP  \r\n\x87\n", ImageFormat.JPEG_2000),
    (b"\xff\x4f\xff\x51", ImageFormat.JPEG_2000),
    (b"8BPS", ImageFormat.PSD),
    (b"%PDF-", ImageFormat.PDF),
    (b"\x1a\x45\xdf\xa3", ImageFormat.VIDEO),
    (b"PK\3\4", ImageFormat.ZIP),
)
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIC_BRANDS: Final = frozenset({
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"),
    *(b"mif1", b"msf1", b"miaf"),
})  # fmt: skip
_MAX_BOX_BYTES: Final = 256


def recognize(data: bytes) -> ImageFormat | None:
    """The format that the file claims to have; None if it is none of `ImageFormat`."""
    for signature, format in _SIGNATURES:
        if data.startswith(signature):
            return format
    if data.startswith(b"RIFF") and data[8:12] in (b"WEBP", b"AVI "):
        return ImageFormat.WEBP if data[8:12] == b"WEBP" else ImageFormat.VIDEO
    if data[4:8] == b"ftyp":
        return _recognize_by_brands(data)
    is_svg = data[:1] == b"<" and b"<svg" in data[:1024].lower()
    return ImageFormat.SVG if is_svg else None


def _recognize_by_brands(data: bytes) -> ImageFormat:
    """The format of an ISO base media file: its brands are in the first box (ISO/IEC 14496-12)."""
    size = min(int.from_bytes(data[:4]), _MAX_BOX_BYTES)
    brands = {data[8:12], *(data[start : start + 4] for start in range(16, size - 3, 4))}
    if brands & _AVIF_BRANDS:
        return ImageFormat.AVIF
    return ImageFormat.HEIC if brands & _HEIC_BRANDS else ImageFormat.VIDEO
