"""Encoding of images as files."""

import io
from collections.abc import Callable

import pytest
import torch
from PIL import Image

from engine.contract import sha256
from engine.contract.images.encode import encode_jpeg, encode_picture, encode_png
from tests.engine_parts import sketch


def test_the_same_image_gives_the_same_png() -> None:
    """The digest of the file therefore identifies the image."""
    assert encode_png(sketch()) == encode_png(sketch())
    assert sha256(encode_png(sketch())) != sha256(encode_png(sketch(65)))


@pytest.mark.parametrize("encode", [encode_png, encode_picture])
def test_a_png_is_lossless(encode: Callable[[Image.Image], bytes]) -> None:
    """The decoded PNG has the pixels of the image."""
    with Image.open(io.BytesIO(encode(sketch()))) as image:
        assert image.tobytes() == sketch().tobytes()


def test_a_picture_with_grain_takes_no_more_bytes_than_at_level_6() -> None:
    """Noise of two levels on a smooth picture, as in photographs."""
    smooth = torch.linspace(0, 200, 128).repeat(3, 128, 1).permute(1, 2, 0)
    noise = 2 * torch.randn(128, 128, 3, generator=torch.Generator().manual_seed(0))
    picture = Image.fromarray((smooth + 20 + noise).to(torch.uint8).numpy())
    assert len(encode_picture(picture)) <= len(encode_png(picture))


def test_a_jpeg_has_the_size_of_the_image() -> None:
    """A JPEG has a lower quality, but the same width and height."""
    with Image.open(io.BytesIO(encode_jpeg(sketch()))) as image:
        assert (image.format, image.size) == ("JPEG", (64, 64))
