"""Sentences for users about files that cannot be used as init images; pure."""

from typing import Final

from engine.contract.images.decode_result import (
    MAX_JPEG_PIXELS,
    MAX_PIXELS,
    MIN_SIDE,
    DecodeResult,
    DecodeStatus,
)
from engine.contract.images.formats import ImageFormat, recognize

MAX_FILE_BYTES: Final = 10 * 1024 * 1024
ADVICE: Final = "Save it again as a plain PNG and try that file."
_FORMATS: Final = "A sketch must be a PNG, JPEG, WebP, AVIF, GIF, BMP or TIFF image"


class InvalidImage(ValueError):
    """The file cannot be used as an init image; the message is a sentence for the user."""


def check_file_size(size: int, max_bytes: int = MAX_FILE_BYTES) -> None:
    """Raise InvalidImage if a file of so many bytes is too large."""
    if size > max_bytes:
        raise InvalidImage(
            f"The file is {size / 1024 / 1024:.1f} MiB large; at most "
            f"{max_bytes // 1024 // 1024} MiB are allowed."
        )


def check_decoded(result: DecodeResult, data: bytes) -> None:
    """Raise InvalidImage unless this result of decoding `data` has pixels."""
    if result.status is not DecodeStatus.OK:
        raise InvalidImage(_sentence(result, recognize(data)))


def _sentence(result: DecodeResult, format: ImageFormat | None) -> str:
    size = f"The sketch is {result.width}x{result.height} pixels"
    match result.status:
        case DecodeStatus.UNKNOWN_FORMAT:
            return _unsupported(format)
        case DecodeStatus.TOO_LARGE:
            return (
                f"{size}; at most {MAX_PIXELS // 1_000_000} million pixels are allowed, "
                f"and {MAX_JPEG_PIXELS // 1_000_000} million in a JPEG."
            )
        case DecodeStatus.TOO_SMALL:
            return f"{size}; each side must have at least {MIN_SIDE}."
        case DecodeStatus.OUT_OF_MEMORY:
            return f"Decoding the sketch needs too much memory. {ADVICE}"
        case _:
            return f"The sketch is damaged or truncated. {_FORMATS}."


def _unsupported(format: ImageFormat | None) -> str:
    if format is None:
        return f"This file is not an image that can be read. {_FORMATS}."
    article = "an" if format is ImageFormat.AVIF else "a"
    advice = "Send it as a JPEG or PNG; a screenshot of it works too."
    return f"This file is {article} {format.value}, which cannot be read. {advice}"
