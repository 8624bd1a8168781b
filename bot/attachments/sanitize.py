"""Decode an uploaded image in a sandbox, and encode its pixels as a new PNG."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from PIL import Image

from bot.attachments.sandbox import Sandbox, SandboxError, SandboxTimeout
from bot.errors import BotError, Refused
from engine.contract.images.decode_result import MAX_RESULT_BYTES, DecodeResult, unpack
from engine.contract.images.encode import encode_png
from engine.contract.images.refusals import ADVICE, InvalidImage, check_decoded, check_file_size

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
    with _refusals():
        check_file_size(size)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except InvalidImage as error:
        raise Refused(str(error)) from error


async def sanitize(data: bytes, sandbox: Sandbox) -> SanitizedImage:
    """The image in this file: its first frame, upright, on white, at most 2048 pixels a side.

    Of the sandbox's output only pixels are used, and of the file itself nothing.
    Raises Refused if the file cannot be used, DecoderUnavailable if the sandbox does not start.
    """
    check_size(len(data))
    result = await _decode(data, sandbox)
    with _refusals():
        check_decoded(result, data)
    png = await asyncio.to_thread(_encode_png, result)
    return SanitizedImage(png, result.width, result.height)


async def _decode(data: bytes, sandbox: Sandbox) -> DecodeResult:
    try:
        return unpack(await sandbox.run(data, max_output=MAX_RESULT_BYTES))
    except SandboxTimeout as error:
        log.warning("Decoding a sketch timed out: %s.", error)
        raise Refused(f"Decoding the sketch took too long, so I stopped. {ADVICE}") from error
    except (SandboxError, ValueError) as error:
        log.warning("The decoder of sketches failed: %s.", error)
        raise Refused(f"The decoder failed on this sketch. {ADVICE}") from error
    except OSError as error:
        log.exception("The decoder of sketches could not be started.")
        raise DecoderUnavailable(
            "The sketch could not be decoded just now. Please try again."
        ) from error


def _encode_png(result: DecodeResult) -> bytes:
    return encode_png(Image.frombytes("RGB", (result.width, result.height), result.pixels))
