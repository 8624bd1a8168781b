"""Decoding of init images, which are untrusted files, to clean images of a given size."""

import io
import struct
import sys
import warnings
import zlib
from typing import Any

import pytest
from PIL import Image

from engine.contract.images.fit import resize_and_crop
from engine.contract.images.refusals import InvalidImage
from engine.core.process import quiet_libraries
from engine.imaging.init_image import decode
from tests.engine_parts import sketch


@pytest.fixture(autouse=True)
def _quiet_libraries() -> None:
    """Ignore Pillow's warnings, as the engine does; in tests, other warnings are errors."""
    quiet_libraries()


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The image as a file of this format."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def test_a_png_keeps_its_pixels() -> None:
    """Decoding does not change an upright RGB image."""
    assert decode(encoded(sketch(70, 50))) == sketch(70, 50)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_the_formats_of_uploads_are_decoded(kind: str) -> None:
    """The format is found from the content; there is no file name."""
    image = decode(encoded(sketch(70, 50), kind))
    assert (image.size, image.mode) == ((70, 50), "RGB")


@pytest.mark.parametrize("kind", ["ICO", "PPM", "PDF"])
def test_other_formats_are_refused(kind: str) -> None:
    """Pillow has many more decoders, and each could be attacked."""
    with pytest.raises(InvalidImage, match=r"cannot be read|can be read"):
        decode(encoded(sketch(64, 64), kind))


def test_a_photo_is_turned_upright() -> None:
    """Cameras store their orientation in EXIF."""
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    upright = decode(encoded(sketch(80, 40), "JPEG", exif=exif, quality=95))
    assert upright.size == (40, 80)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_become_white(mode: str) -> None:
    """This holds for all modes with transparency."""
    clear = Image.new("RGBA", (16, 16), (255, 0, 0, 0)).convert(mode)
    data = encoded(clear, transparency=0) if mode == "P" else encoded(clear)
    assert decode(data).getpixel((3, 3)) == (255, 255, 255)


def test_half_transparent_pixels_are_blended() -> None:
    """Black at half opacity becomes grey."""
    assert decode(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 128)))).getpixel((0, 0)) == (127,) * 3


def test_16_bit_greyscale_keeps_its_range() -> None:
    """Pillow alone would clip all levels above 255 to white."""
    grey = Image.new("I;16", (8, 8), 32768)
    assert decode(encoded(grey)).getpixel((0, 0)) in {(127,) * 3, (128,) * 3}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.8])
def test_a_truncated_file_is_refused(kind: str, share: float) -> None:
    """Pillow could return a partly grey image."""
    data = encoded(sketch(200, 200), kind)
    with pytest.raises(InvalidImage):
        decode(data[: int(len(data) * share)])


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", bytes(5000)])
def test_a_file_that_is_no_image_is_refused(data: bytes) -> None:
    """The message is a sentence for the user."""
    with pytest.raises(InvalidImage, match=r"must be a PNG, JPEG, WebP"):
        decode(data)


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_the_first_frame_of_an_animation_is_used(kind: str) -> None:
    """The bot does the same with an upload."""
    frames = [sketch(32, 32), Image.new("RGB", (32, 32))]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
    assert decode(data).tobytes() == frames[0].tobytes()


@pytest.mark.parametrize(("width", "height"), [(13000, 13000), (5001, 5000), (60000, 60000)])
def test_a_decompression_bomb_is_refused(width: int, height: int) -> None:
    """The size in its header is checked before the pixels are decoded."""
    with pytest.raises(InvalidImage, match="25 million"):
        decode(huge_png(width, height))


def test_damaged_exif_is_ignored() -> None:
    """The image is decoded without rotation; Pillow would only warn."""
    damaged = b"Exif\0\0II*\0\x08\0\0\0\x40\0" + bytes(20)
    assert decode(encoded(sketch(80, 40), "JPEG", exif=damaged)).size == (80, 40)


def test_decoding_leaves_the_warning_filters_alone() -> None:
    """All threads share the filters, so overlapping temporary changes could become permanent."""
    filters, during, data = warnings.filters, list[object](), encoded(sketch(8, 8))
    sys.setprofile(lambda *_: during.append(warnings.filters))  # at each call of a function
    try:
        decode(data)
    finally:
        sys.setprofile(None)
    assert len(during) > 10
    assert all(active is filters for active in during)


def huge_png(width: int, height: int) -> bytes:
    """A PNG whose header has this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def test_too_many_bytes_are_refused() -> None:
    """The size of the file is checked before it is decoded."""
    with pytest.raises(InvalidImage, match=r"11\.0 MiB large; at most 10 MiB"):
        decode(bytes(11 * 2**20))


def test_an_image_of_the_right_size_is_returned_as_it_is() -> None:
    """The image is not resampled."""
    image = sketch(64, 72)
    assert resize_and_crop(image, 64, 72) is image


@pytest.mark.parametrize("size", [(64, 64), (640, 640), (65, 200), (3000, 70), (1, 1)])
@pytest.mark.parametrize("target", [(64, 64), (128, 72), (72, 128)])
def test_any_image_can_get_any_size(size: tuple[int, int], target: tuple[int, int]) -> None:
    """The image may be smaller or larger, and portrait or landscape."""
    assert resize_and_crop(sketch(*size), *target).size == target


def test_a_strip_is_cropped_before_it_is_resized(monkeypatch: pytest.MonkeyPatch) -> None:
    """The result shows the centre of the strip, without an intermediate image of gigabytes."""
    sizes: list[tuple[int, int]] = []
    resize = Image.Image.resize

    def record_size(image: Image.Image, size: tuple[int, int], *rest: Any) -> Image.Image:  # noqa: ANN401 # as Pillow
        sizes.append(size)
        return resize(image, size, *rest)

    monkeypatch.setattr(Image.Image, "resize", record_size)
    strip = Image.new("RGB", (1, 2048), "blue")
    strip.paste("red", (0, 1000, 1, 1048))
    assert resize_and_crop(strip, 512, 2048).getcolors() == [(512 * 2048, (255, 0, 0))]
    assert resize_and_crop(strip.rotate(90, expand=True), 512, 512).size == (512, 512)
    assert sizes == [(512, 2048), (512, 512)]


def test_the_aspect_ratio_is_kept() -> None:
    """A wide image is cropped equally on both sides."""
    wide = Image.new("RGB", (300, 100), (255, 255, 255))
    wide.paste((0, 0, 0), (125, 25, 175, 75))
    cropped = (
        resize_and_crop(wide, 64, 64).convert("L").point(lambda level: 255 if level < 128 else 0)
    )
    assert cropped.getbbox() == (16, 16, 48, 48)


def test_a_jpeg_with_previews_is_no_animation() -> None:
    """Cameras add previews to their JPEGs; the first frame is used."""
    copies = [sketch(10, 10)]
    assert decode(encoded(sketch(70, 50), "MPO", save_all=True, append_images=copies)).size == (
        70,
        50,
    )
