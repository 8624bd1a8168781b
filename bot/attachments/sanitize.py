"""Decode an uploaded image in a sandbox, and encode its pixels as a new PNG."""

import asyncio
import logging
from io import BytesIO
from typing import Final

import msgspec
from PIL import Image

from bot.attachments.decode_result import (
    MAX_JPEG_PIXELS,
    MAX_PIXELS,
    MAX_RESULT_BYTES,
    MIN_SIDE,
    DecodeResult,
    DecodeStatus,
    unpack,
)
from bot.attachments.image_formats import ImageFormat, recognize
from bot.attachments.sandbox import Sandbox, SandboxError, SandboxTimeout
from bot.errors import BotError, Refused

MAX_FILE_BYTES: Final = 10 * 1024 * 1024
_FORMATS: Final = "A sketch must be a PNG, JPEG, WebP, AVIF, GIF, BMP or TIFF image"
_ADVICE: Final = "Save it again as a plain PNG and try that file."
log = logging.getLogger(__name__)


class SanitizedImage(msgspec.Struct, frozen=True):
    """An init image that is safe to store: an RGB PNG and its size in pixels."""

    png: bytes
    width: int
    height: int


class DecoderUnavailable(BotError):
    """The decoder could not be started; the file may be fine."""


def check_size(size: int) -> None:
    """Raise Refused if a file of so many bytes is too large."""
    if size > MAX_FILE_BYTES:
        raise Refused(
            f"The sketch is {size / 1024 / 1024:.1f} MiB large; at most "
            f"{MAX_FILE_BYTES // 1024 // 1024} MiB are allowed."
        )


async def sanitize(data: bytes, sandbox: Sandbox) -> SanitizedImage:
    """The image in this file: its first frame, upright, on white, at most 2048 pixels a side.

    Of the sandbox's output only pixels are used, and of the file itself nothing.
    Raises Refused if the file cannot be used, DecoderUnavailable if the sandbox does not start.
    """
    check_size(len(data))
    result = await _decode(data, sandbox)
    if result.status is not DecodeStatus.OK:
        raise Refused(_refusal(result, recognize(data)))
    png = await asyncio.to_thread(_encode_png, result)
    return SanitizedImage(png, result.width, result.height)


async def _decode(data: bytes, sandbox: Sandbox) -> DecodeResult:
    try:
        return unpack(await sandbox.run(data, max_output=MAX_RESULT_BYTES))
    except SandboxTimeout as error:
        log.warning("Decoding a sketch timed out: %s.", error)
        raise Refused(f"Decoding the sketch took too long, so I stopped. {_ADVICE}") from error
    except (SandboxError, ValueError) as error:
        log.warning("The decoder of sketches failed: %s.", error)
        raise Refused(f"The decoder failed on this sketch. {_ADVICE}") from error
    except OSError as error:
        log.exception("The decoder of sketches could not be started.")
        raise DecoderUnavailable(
            "The sketch could not be decoded just now. Please try again."
        ) from error


def _refusal(result: DecodeResult, format: ImageFormat | None) -> str:
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
            return f"Decoding the sketch needs too much memory. {_ADVICE}"
        case _:
            return f"The sketch is damaged or truncated. {_FORMATS}."


def _unsupported(format: ImageFormat | None) -> str:
    if format is None:
        return f"This file is not an image that I can read. {_FORMATS}."
    article = "an" if format is ImageFormat.AVIF else "a"
    advice = "Send it as a JPEG or PNG; a screenshot of it works too."
    return f"This file is {article} {format.value}, which I cannot read. {advice}"


def _encode_png(result: DecodeResult) -> bytes:
    buffer = BytesIO()
    Image.frombytes("RGB", (result.width, result.height), result.pixels).save(buffer, "PNG")
    return buffer.getvalue()
