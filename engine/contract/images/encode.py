"""Encode images as PNG and JPEG files."""

import io

from PIL import Image


def encode_png(image: Image.Image) -> bytes:
    """A PNG file; equal images give equal bytes with the same version of Pillow."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=6)
    return file.getvalue()


def encode_jpeg(image: Image.Image, quality: int = 75) -> bytes:
    """A JPEG file, for previews."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()
