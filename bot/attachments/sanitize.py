"""Untrusted bytes to a clean picture, decoded in a sandbox and written anew by ourselves."""

import asyncio
import logging
from io import BytesIO
from typing import Final

import msgspec
from PIL import Image

from bot.attachments.image_decoder import (
    ANSWER_LIMIT,
    PIXELS_LIMIT,
    SIDE_SMALLEST,
    Answer,
    Verdict,
    unpacked,
)
from bot.attachments.sandbox import Failure, Sandbox, TooSlow
from bot.errors import BotError, Refused

BYTES_LIMIT: Final = 10 * 1024 * 1024
_ALLOWED: Final = "A sketch must be a PNG, JPEG or WebP picture"
_ADVICE: Final = "Save it anew as a plain PNG and try that one."
log = logging.getLogger(__name__)


class Cleaned(msgspec.Struct, frozen=True):
    """A sketch that is safe to keep: an RGB PNG and its size in pixels."""

    png: bytes
    width: int
    height: int


class Unreadable(BotError):
    """Nobody is there to read the sketch."""


def check_size(size: int) -> None:
    """Raise Refused, in words for the person, for a file that is too large."""
    if size > BYTES_LIMIT:
        raise Refused(
            f"The sketch has {size / 1024 / 1024:.1f} MiB; "
            f"{BYTES_LIMIT // 1024 // 1024} MiB are allowed."
        )


async def clean(data: bytes, sandbox: Sandbox) -> Cleaned:
    """The picture in this file: its first frame, upright, on white, at most 2048 pixels a side.

    No byte of the file itself is kept, nor of what the sandbox writes but pixels.
    Raises Refused or Unreadable, in words for the person.
    """
    check_size(len(data))
    answer = await _answer(data, sandbox)
    if answer.verdict is not Verdict.PICTURE:
        raise Refused(_refusal(answer))
    png = await asyncio.to_thread(_png, answer)
    return Cleaned(png, answer.width, answer.height)


async def _answer(data: bytes, sandbox: Sandbox) -> Answer:
    try:
        return unpacked(await sandbox.answer(data, limit=ANSWER_LIMIT))
    except TooSlow as error:
        log.warning("A sketch was given up: %s.", error)
        raise Refused(f"The sketch took too long to read, so I gave it up. {_ADVICE}") from error
    except (Failure, ValueError) as error:
        log.warning("A sketch broke its decoder: %s.", error)
        raise Refused(f"The program that reads sketches failed at this one. {_ADVICE}") from error
    except OSError as error:
        log.exception("The decoder of sketches could not be started.")
        raise Unreadable("The sketch could not be read just now. Please try again.") from error


def _refusal(answer: Answer) -> str:
    size = f"The sketch is {answer.width}x{answer.height} pixels"
    match answer.verdict:
        case Verdict.NO_PICTURE:
            return f"{_ALLOWED}; this file is none."
        case Verdict.TOO_LARGE:
            return f"{size}; at most {PIXELS_LIMIT // 1_000_000} million pixels are allowed."
        case Verdict.TOO_SMALL:
            return f"{size}; each side must have at least {SIDE_SMALLEST}."
        case Verdict.TOO_MUCH_MEMORY:
            return f"The sketch takes too much memory to read. {_ADVICE}"
        case _:
            return f"The sketch is broken or cut short. {_ALLOWED}."


def _png(answer: Answer) -> bytes:
    buffer = BytesIO()
    Image.frombytes("RGB", (answer.width, answer.height), answer.pixels).save(buffer, "PNG")
    return buffer.getvalue()
