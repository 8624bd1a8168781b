"""The image decoder, as far as the corpus of hostile files does not test it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.contract.images.decode_result import (
    MAX_RESULT_BYTES,
    MAX_SIDE,
    DecodeResult,
    DecodeStatus,
    unpack,
)
from engine.contract.images.decoder import decode
from tests import png_parts
from tests.hostile_parts import PNG
from tests.samples import encoded

pytestmark = pytest.mark.filterwarnings("ignore")  # as in the sandbox
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
NOISE = {format: encoded(Image.effect_noise((32, 32), 50), format) for format in FORMATS}


@given(st.sampled_from(FORMATS), st.binary(max_size=300), st.integers(0, 600))
def test_damaged_files_have_a_result(format: str, damage: bytes, at: int) -> None:
    """decode() returns a result that can be packed, whatever the file contains."""
    data = bytearray(NOISE[format])
    data[at : at + len(damage)] = damage
    result = decode(bytes(data))
    assert unpack(result.pack()) == result


@given(st.sampled_from(FORMATS), st.integers(0, 2000))
def test_a_truncated_file_is_corrupt(format: str, length: int) -> None:
    """This holds for each length."""
    data = NOISE[format]
    result = decode(data[: min(length, len(data) - 1)])
    assert result.status in {DecodeStatus.CORRUPT, DecodeStatus.UNKNOWN_FORMAT}


@given(st.binary(max_size=2000))
def test_a_malformed_result_is_an_error(data: bytes) -> None:
    """A hostile file may have taken over the decoder process."""
    with pytest.raises(ValueError):
        unpack(b"\1" + data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\1",
        DecodeResult(DecodeStatus.OK, 2, 2, bytes(11)).pack(),
        DecodeResult(DecodeStatus.OK, 2, 2, bytes(13)).pack(),
        DecodeResult(DecodeStatus.OK, 0, 0).pack(),
        DecodeResult(DecodeStatus.OK, MAX_SIDE + 1, 1, bytes(3 * MAX_SIDE + 3)).pack(),
        DecodeResult(DecodeStatus.CORRUPT, 1, 1, bytes(3)).pack(),
        b"\0" + DecodeResult(DecodeStatus.CORRUPT).pack()[1:],
        b"\x07" + DecodeResult(DecodeStatus.CORRUPT).pack()[1:],
    ],
)
def test_the_header_must_match_the_pixels(data: bytes) -> None:
    """Sizes, lengths and statuses are checked."""
    with pytest.raises(ValueError):
        unpack(data)


def test_the_largest_result_has_the_maximum_size() -> None:
    """An image larger than 2048 x 2048 is scaled down to exactly that; it may be transparent."""
    large = decode(encoded(Image.new("RGBA", (2200, 2200), (255, 0, 0, 100))))
    assert len(large.pack()) == MAX_RESULT_BYTES
    assert unpack(large.pack()) == large


def test_later_frames_are_not_decompressed() -> None:
    """A damaged later frame of an animation is not noticed."""
    data = PNG[:-12] + png_parts.chunk(b"fdAT", b"no frame at all") + png_parts.END
    assert decode(data) == decode(PNG)


@pytest.mark.parametrize("format", FORMATS)
def test_the_format_is_recognised_by_its_signature(format: str) -> None:
    """A file can reach only the readers of these formats."""
    assert decode(NOISE[format]).status is DecodeStatus.OK
    assert decode(b"\0" + NOISE[format]).status is DecodeStatus.UNKNOWN_FORMAT


class ExhaustingFile(bytes):
    """A file for which there is no memory left."""

    def startswith(self, *_: object) -> bool:
        """Raise MemoryError, as any use of the file may."""
        raise MemoryError


def test_too_little_memory_has_a_status_of_its_own() -> None:
    """A MemoryError does not count as a corrupt file."""
    assert decode(ExhaustingFile()) == DecodeResult(DecodeStatus.OUT_OF_MEMORY)
