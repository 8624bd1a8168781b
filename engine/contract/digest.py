"""The digests by which both processes name input images and pictures."""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


def sha256(data: bytes) -> str:
    """The SHA-256 digest in hex."""
    return hashlib.sha256(data).hexdigest()


def pixels_sha256(image: "Image.Image") -> str:
    """The SHA-256 digest, in hex, of the pixels as RGB: three bytes each, row by row.

    It does not depend on the file format, on compression or on metadata.
    """
    return sha256(image.convert("RGB").tobytes())
