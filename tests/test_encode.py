"""Encoding of images as files."""

import io

from PIL import Image

from engine.contract import sha256
from engine.contract.images.encode import encode_jpeg, encode_png
from tests.engine_parts import sketch


def test_the_same_image_gives_the_same_png() -> None:
    """The digest of the file therefore identifies the image."""
    assert encode_png(sketch()) == encode_png(sketch())
    assert sha256(encode_png(sketch())) != sha256(encode_png(sketch(65)))


def test_a_png_is_lossless() -> None:
    """The decoded PNG has the pixels of the image."""
    with Image.open(io.BytesIO(encode_png(sketch()))) as image:
        assert image.tobytes() == sketch().tobytes()


def test_a_jpeg_has_the_size_of_the_image() -> None:
    """A JPEG has a lower quality, but the same width and height."""
    with Image.open(io.BytesIO(encode_jpeg(sketch()))) as image:
        assert (image.format, image.size) == ("JPEG", (64, 64))
