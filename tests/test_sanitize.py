"""Untrusted bytes to a clean picture."""

import sys
from io import BytesIO

import psutil
import pytest
from PIL import Image

from bot import settings
from bot.attachments import sandbox, sanitize
from bot.attachments.image_decoder import Answer, Verdict
from bot.attachments.sandbox import Sandbox
from bot.attachments.sanitize import Unreadable
from bot.errors import Refused
from tests.hostile_files import STOWAWAY
from tests.png_parts import bomb
from tests.samples import encoded

SANDBOX = sandbox.decoder(settings.sandbox_environment())


async def cleaned(data: bytes) -> Image.Image:
    """The clean picture, opened."""
    made = await sanitize.clean(data, SANDBOX)
    picture = Image.open(BytesIO(made.png))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (made.width, made.height))
    return picture


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
async def test_the_three_formats_are_taken_by_their_content(format: str) -> None:
    """No name is ever asked."""
    data = encoded(Image.new("RGB", (40, 30), "red"), format)
    assert (await cleaned(data)).size == (40, 30)


@pytest.mark.parametrize("format", ["GIF", "BMP", "TIFF", "PPM", "ICO"])
async def test_other_formats_are_refused(format: str) -> None:
    """However good the picture is."""
    with pytest.raises(Refused, match="PNG, JPEG or WebP picture; this file is none"):
        await sanitize.clean(encoded(Image.new("RGB", (32, 32), "red"), format), SANDBOX)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
async def test_a_truncated_picture_is_refused(format: str) -> None:
    """Nothing is painted over half a sketch."""
    data = encoded(Image.effect_noise((200, 200), 80).convert("RGB"), format)
    with pytest.raises(Refused, match="broken or cut short"):
        await sanitize.clean(data[: len(data) // 2], SANDBOX)


async def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    """A small file that says it is 13000 x 13000."""
    with pytest.raises(Refused, match="13000x13000 pixels; at most 25 million"):
        await sanitize.clean(bomb(13000), SANDBOX)


async def test_a_huge_file_is_refused() -> None:
    """11 MiB, with the limit in the sentence."""
    with pytest.raises(Refused, match=r"11\.0 MiB; 10 MiB are allowed"):
        await sanitize.clean(bytes(11 * 1024 * 1024), SANDBOX)


async def test_a_sliver_is_refused() -> None:
    """There is nothing to paint over."""
    with pytest.raises(Refused, match="400x1 pixels; each side must have at least 8"):
        await sanitize.clean(encoded(Image.new("RGB", (400, 1))), SANDBOX)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
async def test_of_an_animated_picture_the_first_frame_is_taken(format: str) -> None:
    """The others are not looked at."""
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:], lossless=True)
    assert (await cleaned(data)).getcolors() == [(32 * 32, (255, 0, 0))]


async def test_a_photo_is_turned_upright_and_loses_its_metadata() -> None:
    """Where it was taken is nobody's business."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010E] = "taken at home"
    data = encoded(Image.new("RGB", (40, 20), "red"), "JPEG", exif=exif)
    picture = await cleaned(data)
    assert picture.size == (20, 40)
    assert picture.info == {}
    assert not picture.getexif()


async def test_a_large_picture_is_made_smaller() -> None:
    """2048 pixels on its longer side, same shape."""
    assert (await cleaned(encoded(Image.new("RGB", (4096, 1024), "red")))).size == (2048, 512)


async def test_the_same_file_gives_the_same_bytes() -> None:
    """They are kept by their sha256."""
    data = encoded(Image.effect_noise((100, 100), 80), "JPEG")
    assert await sanitize.clean(data, SANDBOX) == await sanitize.clean(data, SANDBOX)


FAILED = "The program that reads sketches failed at this one"
RED = Answer(Verdict.PICTURE, 2, 1, b"\xff\0\0" * 2).packed()


def program(script: str, seconds: float = 10.0) -> Sandbox:
    """A decoder that was taken over."""
    return Sandbox((sys.executable, "-I", "-S", "-c", f"import os, time\n{script}"), seconds)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("os.abort()", FAILED),
        ("os.kill(os.getpid(), 9)", FAILED),
        ("os.kill(os.getpid(), 11)", FAILED),
        ("os.kill(os.getpid(), 24)", "took too long to read"),
        ("time.sleep(60)", "took too long to read"),
        ("pass", FAILED),
        ("os.write(1, b'garbage')", FAILED),
        (f"os.write(1, {RED[:-1]!r})", FAILED),
        (f"os.write(1, {RED + STOWAWAY!r})", FAILED),
        (f"os.write(1, {RED!r}); os._exit(1)", FAILED),
        (f"os.write(1, {bytes([9]) + RED[1:]!r})", FAILED),
        ("while True: os.write(1, bytes(65536))", FAILED),
        (f"os.write(1, {Answer(Verdict.TOO_MUCH_MEMORY).packed()!r})", "too much memory to read"),
        (f"os.write(1, {Answer(Verdict.BROKEN).packed()!r})", "broken or cut short"),
    ],
)
async def test_whatever_a_decoder_does_ends_in_a_sentence(script: str, said: str) -> None:
    """A true one; and no process is left."""
    with pytest.raises(Refused, match=said):
        await sanitize.clean(b"", program(script, 2.0))
    assert psutil.Process().children() == []


async def test_what_a_decoder_writes_is_pixels_and_nothing_else() -> None:
    """It cannot choose a single other byte of what is kept."""
    made = await sanitize.clean(b"", program(f"os.write(1, {RED!r})"))
    assert (made.width, made.height) == (2, 1)
    picture = Image.open(BytesIO(made.png))
    assert picture.tobytes() == b"\xff\0\0" * 2
    assert made.png == encoded(Image.new("RGB", (2, 1), "red"))


async def test_a_decoder_that_cannot_start_blames_nobody() -> None:
    """The sketch may be fine."""
    with pytest.raises(Unreadable, match="try again"):
        await sanitize.clean(b"", Sandbox(("/nowhere",), 1.0))


async def test_a_good_picture_may_need_more_memory_than_there_is() -> None:
    """It is told so."""
    tight = sandbox.decoder(settings.sandbox_environment(), memory=64 << 20)
    with pytest.raises(Refused, match="too much memory to read"):
        await sanitize.clean(encoded(Image.new("RGB", (5000, 5000))), tight)
