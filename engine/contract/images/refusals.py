"""Sentences for users about files that cannot be used as input images; pure."""

from typing import Final

from engine.contract.images.decode_result import (
    MAX_JPEG_PIXELS,
    MAX_PIXELS,
    MIN_SIDE,
    DecodeResult,
    DecodeStatus,
)
from engine.contract.images.formats import ImageFormat, recognize
from engine.contract.images.nouns import as_subject, with_article

MAX_FILE_BYTES: Final = 10 * 1024 * 1024
ADVICE: Final = "Save it again as a plain PNG and try that file."
_FORMATS: Final = "It must be a PNG, JPEG, WebP, AVIF, GIF, BMP or TIFF image"
_NOUN: Final = "sketch"


class InvalidImage(ValueError):
    """The file cannot be used as an input image; the message is a sentence for the user."""


def check_file_size(size: int, max_bytes: int = MAX_FILE_BYTES) -> None:
    """Raise InvalidImage if a file of so many bytes is too large."""
    if size > max_bytes:
        raise InvalidImage(
            f"The file is {size / 1024 / 1024:.1f} MiB large; at most "
            f"{max_bytes // 1024 // 1024} MiB are allowed."
        )


def check_decoded(result: DecodeResult, data: bytes, noun: str = _NOUN) -> None:
    """Raise InvalidImage unless this result of decoding `data` has pixels.

    `noun` is what the user takes the file for.
    """
    if result.status is not DecodeStatus.OK:
        raise InvalidImage(_sentence(result, recognize(data), noun))


def _sentence(result: DecodeResult, format: ImageFormat | None, noun: str) -> str:
    size = f"{as_subject(noun)} is {result.width}x{result.height} pixels"
    match result.status:
        case DecodeStatus.UNKNOWN_FORMAT:
            return _unsupported(format, noun)
        case DecodeStatus.TOO_LARGE:
            return (
                f"{size}; at most {MAX_PIXELS // 1_000_000} million pixels are allowed, "
                f"and {MAX_JPEG_PIXELS // 1_000_000} million in a JPEG."
            )
        case DecodeStatus.TOO_SMALL:
            return f"{size}; each side must have at least {MIN_SIDE}."
        case DecodeStatus.OUT_OF_MEMORY:
            return f"Decoding {with_article(noun)} needs too much memory. {ADVICE}"
        case _:
            return f"{as_subject(noun)} is damaged or truncated. {_FORMATS}."


def _unsupported(format: ImageFormat | None, noun: str) -> str:
    if format is None:
        return f"{as_subject(noun)} is not an image that can be read. {_FORMATS}."
    article = "an" if format in (ImageFormat.AVIF, ImageFormat.SVG) else "a"
    advice = "Send it as a JPEG or PNG; a screenshot of it works too."
    return f"{as_subject(noun)} is {article} {format.value}, which cannot be read. {advice}"
