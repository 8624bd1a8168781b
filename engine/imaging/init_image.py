"""Sketch bytes to a clean RGB picture of exactly the size that is painted."""

import io
import math
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

PIXELS_LIMIT: Final = 25_000_000
"""Pixels of a sketch, checked before it is decoded: a small file can hold a huge picture."""
BYTES_LIMIT: Final = 10 * 1024 * 1024
FORMATS: Final = ("PNG", "JPEG", "WEBP")
_SPARE_LIMIT: Final = 8
"""A picture that is so many times the wanted size before it is cut off is cut off first: a thin
strip would take gigabytes."""


class BadSketch(ValueError):
    """That file is no sketch; the words are for the person who gave it."""


def read(data: bytes, limit: int = BYTES_LIMIT) -> Image.Image:
    """The picture in these bytes, at most `limit`: upright, RGB, on white. Raises BadSketch."""
    if len(data) > limit:
        raise BadSketch(
            f"The sketch has {len(data) / 2**20:.1f} MiB; {limit // 2**20} MiB are allowed."
        )
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check(image)
            return _on_white(ImageOps.exif_transpose(image))
    except BadSketch:
        raise
    except UnidentifiedImageError as error:
        raise BadSketch("The sketch is no picture: PNG, JPEG and WebP are allowed.") from error
    except Image.DecompressionBombError as error:
        raise BadSketch(_too_large("far more than 25 million")) from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError) as error:
        raise BadSketch("The sketch is damaged or cut short: save it again as PNG.") from error


def _check(image: Image.Image) -> None:
    if image.width * image.height > PIXELS_LIMIT:
        raise BadSketch(_too_large(f"{image.width} x {image.height}"))
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:  # a camera's JPEG with copies
        raise BadSketch("The sketch is animated: give a picture that stands still.")


def _too_large(pixels: str) -> str:
    return f"The sketch has {pixels} pixels; 25 million are allowed."


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode in ("I;16", "I;16B", "I"):  # 16-bit grey: keep the high byte
        image = image.point(lambda level: level / 257).convert("L")
    if not (image.has_transparency_data or image.mode in ("LA", "RGBA", "PA")):
        return image.convert("RGB")
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, layer).convert("RGB")


def fit(image: Image.Image, width: int, height: int) -> Image.Image:
    """The picture at exactly this size: its aspect kept, the spare pixels cut off evenly.

    A picture that has the size already keeps every pixel.
    """
    if image.size == (width, height):
        return image
    scale = max(width / image.width, height / image.height)
    covering = (
        max(width, math.floor(image.width * scale + 0.5)),
        max(height, math.floor(image.height * scale + 0.5)),
    )
    if covering[0] * covering[1] > _SPARE_LIMIT * width * height:
        return image.resize(
            (width, height), Image.Resampling.LANCZOS, _middle(image, width, height)
        )
    large = image.resize(covering, Image.Resampling.LANCZOS)
    left, top = (large.width - width) // 2, (large.height - height) // 2
    return large.crop((left, top, left + width, top + height))


def _middle(image: Image.Image, width: int, height: int) -> tuple[float, float, float, float]:
    """The largest part of this aspect, from the middle."""
    scale = max(width / image.width, height / image.height)
    wide, high = width / scale, height / scale
    left, top = (image.width - wide) / 2, (image.height - high) / 2
    return left, top, left + wide, top + high
