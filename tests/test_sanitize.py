"""Uploaded images are decoded in a sandbox and encoded again."""

import re
import sys
from io import BytesIO

import psutil
import pytest
from PIL import Image

from bot import settings
from bot.attachments.sandbox import Sandbox, decoder_sandbox
from bot.attachments.sanitize import DecoderUnavailable, sanitize
from bot.errors import Refused
from engine.contract.images.decode_result import DecodeResult, DecodeStatus
from engine.contract.images.encode import encode_png
from engine.contract.images.refusals import InvalidImage
from engine.imaging import init_image
from tests import icc_profiles
from tests.hostile_parts import PAYLOAD
from tests.icc_profiles import Primaries
from tests.png_parts import bomb
from tests.samples import encoded

BLUE = Image.new("RGB", (32, 32), "blue")
SANDBOX = decoder_sandbox(settings.sandbox_environment())


async def sanitized(data: bytes) -> Image.Image:
    """The sanitized image, opened."""
    result = await sanitize(data, SANDBOX)
    image = Image.open(BytesIO(result.png))
    assert (image.format, image.mode) == ("PNG", "RGB")
    assert image.size == (result.width, result.height)
    return image


FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")


@pytest.mark.parametrize("format", FORMATS)
async def test_common_formats_are_accepted(format: str) -> None:
    """They are recognized by their content; there is no file name."""
    data = encoded(Image.new("RGB", (40, 30), "red"), format)
    image = await sanitized(data)
    assert image.size == (40, 30)
    assert is_near(pixel_at(image, 20, 15), (255, 0, 0))


@pytest.mark.parametrize("format", ["PPM", "ICO"])
async def test_rare_formats_are_refused(format: str) -> None:
    """Pillow's readers for them are not used."""
    with pytest.raises(Refused, match="AVIF, GIF, BMP or TIFF image"):
        await sanitize(encoded(Image.new("RGB", (32, 32), "red"), format), SANDBOX)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "a HEIC photo"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(99), "a HEIC photo"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(99), "a video"),
        (b"\x1aE\xdf\xa3" + bytes(99), "a video"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99), "a JPEG XL image"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
    ],
)
async def test_the_refusal_names_the_format(data: bytes, name: str) -> None:
    """And the way out."""
    with pytest.raises(Refused, match=f"{name}, which cannot be read. Send it as a JPEG or PNG"):
        await sanitize(data, SANDBOX)


@pytest.mark.parametrize("format", FORMATS)
async def test_a_truncated_image_is_refused(format: str) -> None:
    """Half an image is not used."""
    data = encoded(Image.effect_noise((200, 200), 80).convert("RGB"), format)
    with pytest.raises(Refused, match="damaged or truncated"):
        await sanitize(data[: len(data) // 2], SANDBOX)


async def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    """The header of a small file says 13000 x 13000."""
    with pytest.raises(Refused, match="13000x13000 pixels; at most 25 million"):
        await sanitize(bomb(13000), SANDBOX)


async def test_a_huge_file_is_refused() -> None:
    """It has 11 MiB; the refusal states the limit."""
    with pytest.raises(Refused, match=r"11\.0 MiB large; at most 10 MiB are allowed"):
        await sanitize(bytes(11 * 1024 * 1024), SANDBOX)


async def test_a_narrow_image_is_refused() -> None:
    """The model needs at least 8 pixels on each side."""
    with pytest.raises(Refused, match="400x1 pixels; each side must have at least 8"):
        await sanitize(encoded(Image.new("RGB", (400, 1))), SANDBOX)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "GIF", "TIFF"])
async def test_the_first_frame_of_an_animation_is_used(format: str) -> None:
    """Later frames are ignored."""
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:], lossless=True)
    assert (await sanitized(data)).getcolors() == [(32 * 32, (255, 0, 0))]


async def test_a_photo_is_turned_upright_and_loses_its_metadata() -> None:
    """EXIF data, which may contain the location, are not stored."""
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    exif[0x010E] = "taken at home"
    data = encoded(Image.new("RGB", (40, 20), "red"), "JPEG", exif=exif)
    image = await sanitized(data)
    assert image.size == (20, 40)
    assert image.info == {}
    assert not image.getexif()


async def test_a_large_image_is_scaled_down() -> None:
    """Its longer side becomes 2048 pixels, and its aspect ratio stays."""
    assert (await sanitized(encoded(Image.new("RGB", (4096, 1024), "red")))).size == (2048, 512)


@pytest.mark.parametrize(
    "data",
    [
        encoded(Image.new("RGB", (32, 32)), "GIF", save_all=True, append_images=[BLUE]),
        encoded(Image.new("I;16", (32, 32), 40000)),
        encoded(Image.new("RGBA", (32, 32), (255, 0, 0, 99)), "WEBP"),
        encoded(BLUE, "JPEG", icc_profile=icc_profiles.rgb_profile(icc_profiles.DISPLAY_P3)),
        encoded(Image.effect_noise((5000, 40), 80), "JPEG"),
    ],
    ids=["animation", "16 bits", "transparency", "profile", "large"],
)
async def test_paint_decodes_a_sketch_in_the_same_way(data: bytes) -> None:
    """`python -m engine paint --sketch` sees the pixels that the bot stores of an upload."""
    assert (await sanitize(data, SANDBOX)).png == encode_png(init_image.decode(data))


@pytest.mark.parametrize(
    "data",
    [b"nothing", bomb(13000), encoded(BLUE)[:-20], bytes(11 << 20)],
    ids=["no image", "many pixels", "truncated", "many bytes"],
)
async def test_paint_refuses_a_sketch_in_the_same_words(data: bytes) -> None:
    """Also a file that is too large."""
    with pytest.raises(Refused) as refusal:
        await sanitize(data, SANDBOX)
    with pytest.raises(InvalidImage, match=re.escape(str(refusal.value))):
        init_image.decode(data)


async def test_the_same_file_gives_the_same_bytes() -> None:
    """Files are stored under their sha256."""
    data = encoded(Image.effect_noise((100, 100), 80), "JPEG")
    assert await sanitize(data, SANDBOX) == await sanitize(data, SANDBOX)


P3_RED = (234, 51, 35)
"""What a phone stores in Display P3 for sRGB's (255, 0, 0)."""


def pixel_at(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    """The levels of one pixel."""
    value = image.getpixel((x, y))
    assert isinstance(value, tuple)
    return value


def is_near(pixel: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    """Whether each level is at most 4 away."""
    return all(abs(a - b) <= 4 for a, b in zip(pixel, expected, strict=True))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize(
    ("primaries", "stored", "shown"),
    [
        (icc_profiles.DISPLAY_P3, P3_RED, (255, 0, 0)),
        (icc_profiles.ADOBE_RGB, (60, 141, 49), (0, 142, 34)),
    ],
    ids=["Display P3", "Adobe RGB"],
)
async def test_colours_are_converted_to_srgb(
    format: str, primaries: Primaries, stored: tuple[int, ...], shown: tuple[int, ...]
) -> None:
    """Each viewer shows them so."""
    profile = icc_profiles.rgb_profile(primaries)
    data = encoded(Image.new("RGB", (32, 32), stored), format, quality=100, icc_profile=profile)
    assert is_near(pixel_at(await sanitized(data), 16, 16), shown)


async def test_a_profile_leaves_transparency_as_it_is() -> None:
    """What is transparent is white."""
    profile = icc_profiles.rgb_profile(icc_profiles.DISPLAY_P3)
    image = Image.new("RGBA", (32, 32), (*P3_RED, 255))
    image.paste((0, 0, 0, 0), (0, 0, 16, 32))
    result = await sanitized(encoded(image, icc_profile=profile))
    assert pixel_at(result, 4, 4) == (255, 255, 255)
    assert is_near(pixel_at(result, 28, 4), (255, 0, 0))


async def test_a_grey_profile_is_used() -> None:
    """Linear 21 % is middle grey."""
    data = encoded(Image.new("L", (32, 32), 55), icc_profile=icc_profiles.grey_profile(1.0))
    assert is_near(pixel_at(await sanitized(data), 16, 16), (128, 128, 128))


@pytest.mark.parametrize(
    "profile",
    [
        b"no profile at all",
        icc_profiles.rgb_profile(icc_profiles.DISPLAY_P3)[:200],
        icc_profiles.grey_profile(1.0),
    ],
    ids=["damaged", "truncated", "of another colour space"],
)
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
async def test_a_useless_profile_is_ignored(format: str, profile: bytes) -> None:
    """The pixels are fine."""
    data = encoded(Image.new("RGB", (32, 32), P3_RED), format, quality=100, icc_profile=profile)
    assert is_near(pixel_at(await sanitized(data), 16, 16), P3_RED)


async def test_a_huge_profile_is_cut() -> None:
    """It is decompressed up to a limit."""
    profile = icc_profiles.rgb_profile(icc_profiles.DISPLAY_P3) + bytes(300 << 20)
    data = encoded(Image.new("RGB", (32, 32), P3_RED), icc_profile=profile)
    assert len(data) < 1 << 20
    await sanitized(data)


async def test_the_photo_of_a_48_megapixel_camera_is_accepted() -> None:
    """A JPEG is decoded at a fraction of its size."""
    data = encoded(Image.new("RGB", (8064, 6048), "red"), "JPEG")
    image = await sanitized(data)
    assert image.size == (2048, 1536)
    assert is_near(pixel_at(image, 1000, 1000), (255, 0, 0))


async def test_a_long_panorama_is_accepted() -> None:
    """Its short side alone would not be reduced."""
    assert (await sanitized(encoded(Image.new("RGB", (20000, 3000)), "JPEG"))).size == (2048, 307)


async def test_a_jpeg_has_a_limit_too() -> None:
    """Of its own."""
    data = encoded(Image.new("L", (30000, 7000)), "JPEG")
    with pytest.raises(Refused, match=r"30000x7000 pixels; .* 200 million in a JPEG"):
        await sanitize(data, SANDBOX)


FAILED = "The decoder failed on the sketch"
RED = DecodeResult(DecodeStatus.OK, 2, 1, b"\xff\0\0" * 2).pack()


def program(script: str, seconds: float = 10.0) -> Sandbox:
    """A sandbox with this script instead of the decoder, as if the file had taken it over."""
    return Sandbox((sys.executable, "-I", "-S", "-c", f"import os, time\n{script}"), seconds)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("os.abort()", FAILED),
        ("os.kill(os.getpid(), 9)", FAILED),
        ("os.kill(os.getpid(), 11)", FAILED),
        ("os.kill(os.getpid(), 24)", "took too long"),
        ("time.sleep(60)", "took too long"),
        ("pass", FAILED),
        ("os.write(1, b'garbage')", FAILED),
        (f"os.write(1, {RED[:-1]!r})", FAILED),
        (f"os.write(1, {RED + PAYLOAD!r})", FAILED),
        (f"os.write(1, {RED!r}); os._exit(1)", FAILED),
        (f"os.write(1, {bytes([9]) + RED[1:]!r})", FAILED),
        ("while True: os.write(1, bytes(65536))", FAILED),
        (
            f"os.write(1, {DecodeResult(DecodeStatus.OUT_OF_MEMORY).pack()!r})",
            "needs too much memory",
        ),
        (f"os.write(1, {DecodeResult(DecodeStatus.CORRUPT).pack()!r})", "damaged or truncated"),
    ],
)
async def test_any_failure_of_the_decoder_is_a_refusal(script: str, reason: str) -> None:
    """The refusal has the reason, and no process is left behind."""
    with pytest.raises(Refused, match=reason):
        await sanitize(b"", program(script, 2.0))
    assert psutil.Process().children() == []


async def test_only_pixels_of_the_decoder_are_stored() -> None:
    """The bot encodes the PNG, so a decoder that was taken over chooses only its pixels."""
    result = await sanitize(b"", program(f"os.write(1, {RED!r})"))
    assert (result.width, result.height) == (2, 1)
    image = Image.open(BytesIO(result.png))
    assert image.tobytes() == b"\xff\0\0" * 2
    assert result.png == encoded(Image.new("RGB", (2, 1), "red"))


async def test_a_decoder_that_cannot_start_is_no_refusal() -> None:
    """The file may be valid, so the user may try again."""
    with pytest.raises(DecoderUnavailable, match="try again"):
        await sanitize(b"", Sandbox(("/nowhere",), 1.0))


async def test_too_little_memory_is_a_refusal() -> None:
    """It has its own reason, because the file is not damaged."""
    tight = decoder_sandbox(settings.sandbox_environment(), memory_bytes=64 << 20)
    with pytest.raises(Refused, match="needs too much memory"):
        await sanitize(encoded(Image.new("RGB", (5000, 5000))), tight)
