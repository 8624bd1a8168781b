"""Untrusted bytes to a clean picture."""

import zlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bot import uploads
from bot.errors import Refused
from tests.samples import encoded


def cleaned(data: bytes) -> Image.Image:
    """The clean picture, opened."""
    made = uploads.clean(data)
    picture = Image.open(BytesIO(made.png))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (made.width, made.height))
    return picture


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_the_three_formats_are_taken_by_their_content(format: str) -> None:
    """No name is ever asked."""
    data = encoded(Image.new("RGB", (40, 30), "red"), format)
    assert cleaned(data).size == (40, 30)


@pytest.mark.parametrize("format", ["GIF", "BMP", "TIFF", "PPM", "ICO"])
def test_other_formats_are_refused(format: str) -> None:
    """However good the picture is."""
    with pytest.raises(Refused, match="PNG, JPEG or WebP picture; this file is none"):
        uploads.clean(encoded(Image.new("RGB", (32, 32), "red"), format))


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8 "])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    """A signature alone makes no picture."""
    with pytest.raises(Refused, match="PNG, JPEG or WebP"):
        uploads.clean(data)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_truncated_picture_is_refused(format: str) -> None:
    """Nothing is painted over half a sketch."""
    data = encoded(Image.effect_noise((200, 200), 80).convert("RGB"), format)
    with pytest.raises(Refused, match="broken or cut short"):
        uploads.clean(data[: len(data) // 2])


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    """A small file that says it is 13000 x 13000."""
    with pytest.raises(Refused, match="13000x13000 pixels; at most 25 million"):
        uploads.clean(bomb(13000))


def bomb(side: int) -> bytes:
    """A PNG of few bytes and very many black pixels."""
    row = zlib.compressobj(9)
    packed = b"".join(row.compress(bytes(1 + side // 8)) for _ in range(side)) + row.flush()
    head = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


def chunk(name: bytes, body: bytes) -> bytes:
    """A part of a PNG file."""
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def test_a_huge_file_is_refused() -> None:
    """11 MiB, with the limit in the sentence."""
    with pytest.raises(Refused, match=r"11\.0 MiB; 10 MiB are allowed"):
        uploads.clean(bytes(11 * 1024 * 1024))


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_an_animated_picture_is_refused(format: str) -> None:
    """It has no one sketch in it."""
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    with pytest.raises(Refused, match="animated"):
        uploads.clean(data)


def test_a_photo_is_turned_upright_and_loses_its_metadata() -> None:
    """Where it was taken is nobody's business."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010E] = "taken at home"
    data = encoded(Image.new("RGB", (40, 20), "red"), "JPEG", exif=exif)
    picture = cleaned(data)
    assert picture.size == (20, 40)
    assert picture.info == {}
    assert not picture.getexif()


def test_what_is_transparent_is_white() -> None:
    """As paper is."""
    picture = cleaned(encoded(Image.new("RGBA", (20, 20), (255, 0, 0, 0))))
    assert picture.getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "CMYK"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    """Also black and white, 16 bits and print colours."""
    format = "JPEG" if mode == "CMYK" else "PNG"
    source = (
        Image.new("L", (20, 20), 200) if mode == "I;16" else Image.new("RGB", (20, 20), "white")
    )
    assert cleaned(encoded(source.convert(mode), format)).size == (20, 20)


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    """A mid grey stays a mid grey."""
    picture = cleaned(encoded(Image.new("I;16", (20, 20), 128 * 256)))
    assert picture.getpixel((5, 5)) == (128, 128, 128)


def test_a_large_picture_is_made_smaller() -> None:
    """2048 pixels on its longer side, same shape."""
    assert cleaned(encoded(Image.new("RGB", (4096, 1024), "red"))).size == (2048, 512)


def test_a_sliver_is_refused() -> None:
    """There is nothing to paint over."""
    with pytest.raises(Refused, match="at least 8"):
        uploads.clean(encoded(Image.new("RGB", (400, 1))))


@given(st.binary(max_size=300), st.integers(8, 200))
def test_damage_never_surprises(damage: bytes, at: int) -> None:
    """Whatever a file holds, it is a picture or is refused in words."""
    data = bytearray(encoded(Image.effect_noise((32, 32), 50)))
    data[at : at + len(damage)] = damage
    try:
        uploads.clean(bytes(data))
    except Refused as refusal:
        assert str(refusal).endswith(".")


def test_a_cameras_picture_with_small_copies_stands_still() -> None:
    """Cameras put previews into their JPEGs; the first picture is the picture."""
    small = Image.new("RGB", (10, 10), "blue")
    photo = Image.new("RGB", (40, 30), "red")
    data = encoded(photo, "MPO", save_all=True, append_images=[small])
    assert data.startswith(b"\xff\xd8")
    assert cleaned(data).size == (40, 30)
