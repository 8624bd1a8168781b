"""Untrusted bytes to a clean picture: the first frame, upright, on white, without metadata."""

import warnings
from io import BytesIO
from typing import Final

import msgspec
from PIL import Image, ImageOps, UnidentifiedImageError

from bot.errors import Refused

BYTES_LIMIT: Final = 10 * 1024 * 1024
PIXELS_LIMIT: Final = 25_000_000
SIDE_LIMIT: Final = 2048
_SIDE_SMALLEST: Final = 8
_FORMATS: Final = ("PNG", "JPEG", "WEBP")
_ALLOWED: Final = "A sketch must be a PNG, JPEG or WebP picture"


class Cleaned(msgspec.Struct, frozen=True):
    """A sketch that is safe to keep: an RGB PNG and its size in pixels."""

    png: bytes
    width: int
    height: int


def check_size(size: int) -> None:
    """Raise Refused, in words for the person, for a file that is too large."""
    if size > BYTES_LIMIT:
        raise Refused(
            f"The sketch has {size / 1024 / 1024:.1f} MiB; "
            f"{BYTES_LIMIT // 1024 // 1024} MiB are allowed."
        )


def clean(data: bytes) -> Cleaned:
    """Decode and re-encode a sketch; slow, so not on the event loop.

    Only the content decides what it is, never a name. Raises Refused, in words for the person.
    """
    check_size(len(data))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about oddities in the file; the limits here are ours
        try:
            picture = _decoded(data)
        except UnidentifiedImageError as error:
            raise Refused(f"{_ALLOWED}; this file is none.") from error
        except Image.DecompressionBombError as error:
            raise Refused(
                f"The sketch has too many pixels; {_megapixels()} are allowed."
            ) from error
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise Refused(f"The sketch is broken or cut short. {_ALLOWED}.") from error
    return Cleaned(_png(picture), picture.width, picture.height)


def _decoded(data: bytes) -> Image.Image:
    """A picture that stands still; a camera's may carry small copies of itself (MPO)."""
    with Image.open(BytesIO(data), formats=_FORMATS) as opened:
        width, height = opened.size
        if width * height > PIXELS_LIMIT:
            raise Refused(
                f"The sketch is {width}x{height} pixels; at most {_megapixels()} are allowed."
            )
        if min(width, height) < _SIDE_SMALLEST:
            raise Refused(
                f"The sketch is {width}x{height} pixels; "
                f"each side must have at least {_SIDE_SMALLEST}."
            )
        if opened.format != "MPO" and getattr(opened, "is_animated", False):
            raise Refused(f"The sketch is animated. {_ALLOWED} that stands still.")
        opened.load()
        return _upright_on_white(opened)


def _upright_on_white(opened: Image.Image) -> Image.Image:
    picture = _in_colour(opened)
    picture.thumbnail((SIDE_LIMIT, SIDE_LIMIT), Image.Resampling.LANCZOS)
    ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode == "RGB":
        return picture
    paper = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(paper, picture).convert("RGB")


def _in_colour(picture: Image.Image) -> Image.Image:
    """RGB, or RGBA if some of it is transparent."""
    if picture.mode in ("I", "I;16", "F"):  # 16 bits a pixel; convert() would clip, not scale
        picture = picture.convert("I").point(lambda value: value / 256).convert("L")
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _png(picture: Image.Image) -> bytes:
    plain = Image.frombytes("RGB", picture.size, picture.tobytes())  # leaves metadata behind
    buffer = BytesIO()
    plain.save(buffer, "PNG")
    return buffer.getvalue()


def _megapixels() -> str:
    return f"{PIXELS_LIMIT // 1_000_000} million pixels"
