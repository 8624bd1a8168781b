"""Untrusted bytes to a clean picture of the right size."""

import io
import struct
import threading
import time
import warnings
import zlib
from typing import Any

import pytest
from PIL import Image

from engine.core.process import quiet
from engine.imaging import init_image
from engine.imaging.init_image import BadSketch, fit, read
from tests.engine_parts import sketch


@pytest.fixture(autouse=True)
def _as_in_the_engine() -> None:
    """Where Pillow's warnings are in nobody's way; here, others are errors."""
    quiet()


def saved(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:  # noqa: ANN401
    """The picture as a file."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def test_a_picture_keeps_its_pixels() -> None:
    """A clean PNG comes through as it is."""
    assert read(saved(sketch(70, 50))) == sketch(70, 50)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_three_formats_are_read(kind: str) -> None:
    """By their content: there is no file name."""
    picture = read(saved(sketch(70, 50), kind))
    assert (picture.size, picture.mode) == ((70, 50), "RGB")


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "ICO", "PPM", "PDF"])
def test_other_formats_are_refused(kind: str) -> None:
    """Pillow could read many more; fewer readers are fewer holes."""
    with pytest.raises(BadSketch, match="PNG, JPEG and WebP"):
        read(saved(sketch(64, 64), kind))


def test_a_photo_is_turned_upright() -> None:
    """Cameras save how they were held."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    turned = read(saved(sketch(80, 40), "JPEG", exif=exif, quality=95))
    assert turned.size == (40, 80)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(mode: str) -> None:
    """A drawing on nothing is a drawing on paper."""
    clear = Image.new("RGBA", (16, 16), (255, 0, 0, 0)).convert(mode)
    data = saved(clear, transparency=0) if mode == "P" else saved(clear)
    assert read(data).getpixel((3, 3)) == (255, 255, 255)


def test_half_transparent_is_half_white() -> None:
    """Alpha is mixed, not cut."""
    assert read(saved(Image.new("RGBA", (8, 8), (0, 0, 0, 128)))).getpixel((0, 0)) == (127,) * 3


def test_sixteen_bit_grey_keeps_its_range() -> None:
    """Pillow alone would clip everything above 255 to white."""
    grey = Image.new("I;16", (8, 8), 32768)
    assert read(saved(grey)).getpixel((0, 0)) in {(127,) * 3, (128,) * 3}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.8])
def test_what_is_cut_short_is_refused(kind: str, share: float) -> None:
    """A file that ends too early is said to."""
    data = saved(sketch(200, 200), kind)
    with pytest.raises(BadSketch):
        read(data[: int(len(data) * share)])


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", bytes(5000)])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    """In words."""
    with pytest.raises(BadSketch, match=r"no picture|damaged"):
        read(data)


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_what_moves_is_refused(kind: str) -> None:
    """Which of its pictures would it be?"""
    frames = [sketch(32, 32), Image.new("RGB", (32, 32))]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(BadSketch, match="animated"):
        read(data)


@pytest.mark.parametrize(("width", "height"), [(13000, 13000), (5001, 5000), (60000, 60000)])
def test_a_bomb_is_not_unpacked(width: int, height: int) -> None:
    """A small file that says it holds a huge picture is refused before it is decoded."""
    with pytest.raises(BadSketch, match="25 million"):
        read(huge_png(width, height))


def test_damaged_notes_of_a_camera_do_no_harm() -> None:
    """Pillow would warn of them."""
    damaged = b"Exif\0\0II*\0\x08\0\0\0\x40\0" + bytes(20)
    assert read(saved(sketch(80, 40), "JPEG", exif=damaged)).size == (80, 40)


def test_reading_leaves_warnings_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """How they are treated is one thing for all threads: who changes it for a while, and is
    overtaken by another who does, changes it for ever."""
    check, before, data = init_image._check, warnings.filters, saved(sketch(8, 8))

    def slow(image: Image.Image) -> None:
        time.sleep(float(threading.current_thread().name))
        check(image)

    monkeypatch.setattr(init_image, "_check", slow)
    threads = [threading.Thread(target=read, args=(data,), name=name) for name in ("0.1", "0.2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters is before


def huge_png(width: int, height: int) -> bytes:
    """A PNG that claims this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def test_too_many_bytes_are_refused() -> None:
    """Whatever they hold."""
    with pytest.raises(BadSketch, match=r"11\.0 MiB; 10 MiB"):
        read(bytes(11 * 2**20))


def test_the_right_size_is_left_alone() -> None:
    """Not one pixel is resampled."""
    picture = sketch(64, 72)
    assert fit(picture, 64, 72) is picture


@pytest.mark.parametrize("size", [(64, 64), (640, 640), (65, 200), (3000, 70), (1, 1)])
@pytest.mark.parametrize("target", [(64, 64), (128, 72), (72, 128)])
def test_any_picture_fits_any_size(size: tuple[int, int], target: tuple[int, int]) -> None:
    """Up or down, tall or wide."""
    assert fit(sketch(*size), *target).size == target


def test_a_strip_is_cut_before_it_is_made_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows its middle, and takes no gigabytes, as 512 times 1 x 2048 pixels would."""
    asked: list[tuple[int, int]] = []
    resize = Image.Image.resize

    def watched(image: Image.Image, size: tuple[int, int], *rest: Any) -> Image.Image:  # noqa: ANN401
        asked.append(size)
        return resize(image, size, *rest)

    monkeypatch.setattr(Image.Image, "resize", watched)
    strip = Image.new("RGB", (1, 2048), "blue")
    strip.paste("red", (0, 1000, 1, 1048))
    assert fit(strip, 512, 2048).getcolors() == [(512 * 2048, (255, 0, 0))]
    assert fit(strip.rotate(90, expand=True), 512, 512).size == (512, 512)
    assert asked == [(512, 2048), (512, 512)]


def test_the_aspect_is_kept() -> None:
    """A circle stays one: what is too wide loses its sides, evenly."""
    wide = Image.new("RGB", (300, 100), (255, 255, 255))
    wide.paste((0, 0, 0), (125, 25, 175, 75))
    fitted = fit(wide, 64, 64).convert("L").point(lambda level: 255 if level < 128 else 0)
    assert fitted.getbbox() == (16, 16, 48, 48)


def test_a_cameras_picture_with_small_copies_stands_still() -> None:
    """Cameras put previews into their JPEGs; the first picture is the picture."""
    copies = [sketch(10, 10)]
    assert read(saved(sketch(70, 50), "MPO", save_all=True, append_images=copies)).size == (70, 50)
