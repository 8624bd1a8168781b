"""Decode an uploaded image in a sandbox, and encode its pixels as a new PNG."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from PIL import Image, ImageChops

from bot.attachments.sandbox import Sandbox, SandboxError, SandboxTimeout
from bot.errors import BotError, Refused
from bot.i18n import N_, _
from engine.contract.images import decoder
from engine.contract.images.decode_result import MAX_RESULT_BYTES, DecodeResult, unpack
from engine.contract.images.encode import encode_png
from engine.contract.images.nouns import as_subject, with_article
from engine.contract.images.refusals import ADVICE, InvalidImage, check_decoded, check_file_size

_WHITE: Final = 128
"""The darkest grey that counts as white in a mask, as in diffusers."""
_OPAQUE: Final = N_(
    "The picture has no transparent part, so it does not say where to paint. Erase "
    "that part in an editor and save the picture as a PNG."
)
_EMPTY: Final = N_(
    "The mask is empty, so there is nothing to paint: make the part to paint white or transparent."
)
_FULL: Final = N_(
    "The mask covers the whole picture, so nothing of it would stay: make only the "
    "part to paint white or transparent."
)
log = logging.getLogger(__name__)


class SanitizedImage(msgspec.Struct, frozen=True):
    """An input image that is safe to store: a PNG and its size in pixels."""

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


async def sanitize(data: bytes, sandbox: Sandbox, noun: str = "sketch") -> SanitizedImage:
    """The image in this file: its first frame, upright, on white, at most 2048 pixels a side.

    Raises as `decode` does.
    """
    return await picture(await decode(data, sandbox, noun))


async def decode(data: bytes, sandbox: Sandbox, noun: str) -> DecodeResult:
    """The pixels of this file. Of the sandbox's output only pixels are used.

    `noun` is what the user takes the file for. Raises Refused if the file cannot be used,
    DecoderUnavailable if the sandbox does not start.
    """
    check_size(len(data))
    result = await _decode(data, sandbox, noun)
    with _refusals():
        check_decoded(result, data, noun)
    return result


async def decode_stored(data: bytes, noun: str) -> DecodeResult:
    """The pixels of a file that this bot has written. Raises Refused if it is damaged."""
    result = await asyncio.to_thread(decoder.decode, data, min_side=1)
    with _refusals():
        check_decoded(result, data, noun)
    return result


async def picture(result: DecodeResult) -> SanitizedImage:
    """The pixels as an image; transparent ones on white."""
    image = Image.frombytes("RGB", (result.width, result.height), result.pixels)
    return await _sanitized(image)


async def mask(result: DecodeResult, *, needs_alpha: bool) -> SanitizedImage:
    """A grey image, white where the pixels are transparent or, if all are opaque, where they are
    white.

    Raises Refused if it is white nowhere or everywhere, or all pixels are opaque and
    `needs_alpha`.
    """
    size = result.width, result.height
    if result.alpha:
        image = ImageChops.invert(Image.frombytes("L", size, result.alpha))
    elif needs_alpha:
        raise Refused(_(_OPAQUE))
    else:
        image = Image.frombytes("RGB", size, result.pixels).convert("L")
    white = sum(image.histogram()[_WHITE:])
    if white in (0, image.width * image.height):
        raise Refused(_(_FULL) if white else _(_EMPTY))
    return await _sanitized(image)


async def _sanitized(image: Image.Image) -> SanitizedImage:
    return SanitizedImage(await asyncio.to_thread(encode_png, image), *image.size)


async def _decode(data: bytes, sandbox: Sandbox, noun: str) -> DecodeResult:
    try:
        return unpack(await sandbox.run(data, max_output=MAX_RESULT_BYTES))
    except SandboxTimeout as error:
        log.warning("Decoding an attachment timed out: %s.", error)
        raise Refused(
            _("Decoding {noun} took too long, so I stopped. {advice}").format(
                noun=with_article(noun), advice=ADVICE
            )
        ) from error
    except (SandboxError, ValueError) as error:
        log.warning("The decoder of attachments failed: %s.", error)
        raise Refused(
            _("The decoder failed on {noun}. {advice}").format(
                noun=with_article(noun), advice=ADVICE
            )
        ) from error
    except OSError as error:
        log.exception("The decoder of attachments could not be started.")
        raise DecoderUnavailable(
            _("{subject} could not be decoded just now. Please try again.").format(
                subject=as_subject(noun)
            )
        ) from error
