"""Decode an init image, and resize and crop it to the size of a recipe."""

import io
import math
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS: Final = 25_000_000
"""Checked before the pixels are decoded, because a small file can contain a huge image."""
MAX_BYTES: Final = 10 * 1024 * 1024
FORMATS: Final = ("PNG", "JPEG", "WEBP")
_MAX_COVERING_RATIO: Final = 8
"""If the resized image would have more than this many times the pixels of the result, the image is
cropped before it is resized. Otherwise a thin strip would take gigabytes of memory."""


class InvalidImage(ValueError):
    """The file cannot be used as an init image; the message is a sentence for the user."""


def decode(data: bytes, max_bytes: int = MAX_BYTES) -> Image.Image:
    """The image, or the first frame of an animation, as RGB on white, rotated by its EXIF data.

    Raises InvalidImage.
    """
    if len(data) > max_bytes:
        raise InvalidImage(
            f"The sketch has {len(data) / 2**20:.1f} MiB; at most {max_bytes // 2**20} MiB are "
            "allowed."
        )
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check(image)
            return _on_white(ImageOps.exif_transpose(image))
    except InvalidImage:
        raise
    except UnidentifiedImageError as error:
        raise InvalidImage("The sketch must be a PNG, JPEG or WebP image.") from error
    except Image.DecompressionBombError as error:
        raise InvalidImage(_too_large("far more than 25 million")) from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError) as error:
        raise InvalidImage("The sketch is damaged or incomplete: save it again as PNG.") from error


def _check(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise InvalidImage(_too_large(f"{image.width} x {image.height}"))


def _too_large(pixels: str) -> str:
    return f"The sketch has {pixels} pixels; at most 25 million are allowed."


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode in ("I;16", "I;16B", "I"):  # 16-bit greyscale: the high byte
        image = image.point(lambda level: level / 257).convert("L")
    if not (image.has_transparency_data or image.mode in ("LA", "RGBA", "PA")):
        return image.convert("RGB")
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, layer).convert("RGB")


def resize_and_crop(image: Image.Image, width: int, height: int) -> Image.Image:
    """The image at exactly this size: resized to cover it, then cropped equally on both sides.

    An image of this size is returned unchanged.
    """
    if image.size == (width, height):
        return image
    scale = max(width / image.width, height / image.height)
    covering = (
        max(width, math.floor(image.width * scale + 0.5)),
        max(height, math.floor(image.height * scale + 0.5)),
    )
    if covering[0] * covering[1] > _MAX_COVERING_RATIO * width * height:
        box = _centre_box(image, width, height)
        return image.resize((width, height), Image.Resampling.LANCZOS, box)
    large = image.resize(covering, Image.Resampling.LANCZOS)
    left, top = (large.width - width) // 2, (large.height - height) // 2
    return large.crop((left, top, left + width, top + height))


def _centre_box(image: Image.Image, width: int, height: int) -> tuple[float, float, float, float]:
    """The largest box of this aspect ratio in the centre of the image: left, top, right, bottom."""
    scale = max(width / image.width, height / image.height)
    box_width, box_height = width / scale, height / scale
    left, top = (image.width - box_width) / 2, (image.height - box_height) / 2
    return left, top, left + box_width, top + box_height
