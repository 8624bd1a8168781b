"""Encode frames as a film."""

import io
import struct

import av
import pytest
from PIL import Image

from engine.imaging.video import (
    FRAMES_PER_SECOND,
    HOLD_SECONDS,
    FilmTooLarge,
    FilmWriter,
    decode,
    film_size,
)

HOLD_FRAMES = round(HOLD_SECONDS * FRAMES_PER_SECOND)
COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (120, 120, 120)]


def make_film(
    images: list[Image.Image], size: tuple[int, int] = (256, 256), max_bytes: int = 1_000_000
) -> bytes:
    writer = FilmWriter(size, len(images), max_bytes)
    for image in images:
        writer.add(image)
    return writer.finish()


def flat_images(size: tuple[int, int] = (64, 64)) -> list[Image.Image]:
    return [Image.new("RGB", size, colour) for colour in COLOURS]


def noise_images(side: int, count: int) -> list[Image.Image]:
    return [Image.effect_noise((side, side), 100).convert("RGB") for _ in range(count)]


def test_frames_are_in_order_and_the_last_one_is_held() -> None:
    """Each frame has its colour, and the last one is repeated until its time is over."""
    frames = list(decode(make_film(flat_images())))
    assert len(frames) == len(COLOURS) + HOLD_FRAMES
    expected = [*COLOURS, *[COLOURS[-1]] * HOLD_FRAMES]
    for frame, colour in zip(frames, expected, strict=True):
        assert frame.size == (256, 256)
        pixel = frame.getpixel((100, 100))
        assert isinstance(pixel, tuple)
        assert all(abs(a - b) <= 4 for a, b in zip(pixel, colour, strict=True))


def test_the_format_is_one_that_every_client_plays() -> None:
    """H.264 in yuv420p with its colours named, and the index before the pictures."""
    film = make_film(flat_images())
    with av.open(io.BytesIO(film)) as container:
        stream = container.streams.video[0]
        assert container.format.name.startswith("mov,mp4")
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.codec_context.colorspace == 1  # BT.709
        assert stream.average_rate == FRAMES_PER_SECOND
        assert stream.start_time == 0
    assert boxes(film)[:2] == ["ftyp", "moov"]


def boxes(film: bytes) -> list[str]:
    """The names of the boxes of an MP4 file."""
    names, position = [], 0
    while position < len(film):
        length, name = struct.unpack(">I4s", film[position : position + 8])
        names.append(name.decode())
        position += length
    return names


def test_equal_frames_give_equal_bytes() -> None:
    """A film is a function of its frames."""
    images = noise_images(64, 5)
    assert make_film(images) == make_film(images)


@pytest.mark.parametrize("max_bytes", [300_000, 30_000, 12_000])
def test_a_film_fits_into_its_limit(max_bytes: int) -> None:
    """Noise is what H.264 compresses worst; a low limit costs quality, then size."""
    film = make_film(noise_images(256, 8), max_bytes=max_bytes)
    assert len(film) <= max_bytes
    assert len(list(decode(film))) == 8 + HOLD_FRAMES


def test_a_limit_that_no_film_meets_is_an_error() -> None:
    """A caller learns that there is no film."""
    with pytest.raises(FilmTooLarge):
        make_film(noise_images(64, 3), max_bytes=1000)


def test_a_film_without_frames_is_an_error() -> None:
    """There is nothing to hold."""
    with pytest.raises(ValueError, match="at least one frame"):
        FilmWriter((64, 64), 0).finish()


@pytest.mark.parametrize(
    ("picture", "film"),
    [
        ((128, 128), (256, 256)),
        ((64, 64), (256, 256)),
        ((128, 192), (256, 384)),
        ((104, 128), (312, 384)),
        ((512, 768), (512, 768)),
        ((2048, 1024), (1920, 960)),
        ((8, 1024), (16, 1920)),
        ((333, 501), (332, 500)),
    ],
)
def test_film_size(picture: tuple[int, int], film: tuple[int, int]) -> None:
    """Small pictures are enlarged by a whole number, large ones reduced, odd sides made even."""
    assert film_size(*picture) == film
