"""Texts inside of JPEG and WebP files: reading them within limits, and writing them."""

import io
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.contract.images.encode import encode_jpeg, encode_webp
from engine.contract.images.exif_text import MAX_EXIF_BYTES, ExifTexts, exif, read_texts
from engine.contract.images.png_text import MAX_TEXT_BYTES, BadText
from tests.engine_parts import sketch

Encode = Callable[[bytes], bytes]
FIELDS = 0x8769
USER_COMMENT = 0x9286


def jpeg(data: bytes = b"") -> bytes:
    """A JPEG with this EXIF data."""
    return encode_jpeg(sketch(), exif=data)


def webp(data: bytes = b"") -> bytes:
    """A WebP with this EXIF data."""
    return encode_webp(sketch(), exif=data)


FILES = pytest.mark.parametrize("encode", [jpeg, webp])


def comment_fields(value: bytes, order: str = ">", *, count: int | None = None) -> bytes:
    """EXIF data whose UserComment has these bytes, in big- or little-endian order."""
    head = b"MM\0*" if order == ">" else b"II*\0"
    pointer = struct.pack(f"{order}IHHHIII", 8, 1, FIELDS, 4, 1, 26, 0)
    size = len(value) if count is None else count
    directory = struct.pack(f"{order}HHHIII", 1, USER_COMMENT, 7, size, 44, 0)
    return b"Exif\0\0" + head + pointer + directory + value


@FILES
@pytest.mark.parametrize("text", ["a red house\nSteps: 4", "Füße, 雨の家 🏠", "x" * 9000])
def test_texts_are_read_as_they_were_written(encode: Encode, text: str) -> None:
    """Whatever letters they have; the pixels are unchanged."""
    data = encode(exif(text, f"[{text!r}]"))
    assert read_texts(data) == ExifTexts(text, f"[{text!r}]")
    with Image.open(io.BytesIO(data)) as image, Image.open(io.BytesIO(encode(b""))) as plain:
        assert image.convert("RGB").tobytes() == plain.convert("RGB").tobytes()


@FILES
def test_other_programs_read_the_comment(encode: Encode) -> None:
    """Pillow finds it where AUTOMATIC1111's web UI looks for it, in big-endian UTF-16."""
    with Image.open(io.BytesIO(encode(exif("a red house", "[]")))) as image:
        value = image.getexif().get_ifd(FIELDS)[USER_COMMENT]
    assert value == b"UNICODE\0" + "a red house".encode("utf-16-be")


@FILES
def test_a_file_without_texts_says_nothing(encode: Encode) -> None:
    """It is no error, nor are other EXIF data."""
    other = Image.Exif()
    other[0x010F] = "A camera"
    other.get_ifd(FIELDS)[0x927C] = b"Nikon\0\x02\x10"
    assert read_texts(encode(b"")) == read_texts(encode(other.tobytes())) == ExifTexts()


@FILES
@pytest.mark.parametrize(
    ("value", "order"),
    [
        (b"UNICODE\0" + "a hoüse".encode("utf-16-be"), ">"),
        (b"UNICODE\0" + "a hoüse".encode("utf-16-be"), "<"),
        (b"UNICODE\0" + "a hoüse".encode("utf-16-le"), "<"),
        (b"UNICODE\0" + "a hoüse".encode("utf-16-le"), ">"),
        (b"UNICODE\0\xff\xfe" + "a hoüse".encode("utf-16-le"), ">"),
        (b"UNICODE\0\xfe\xff" + "a hoüse".encode("utf-16-be"), "<"),
        (b"ASCII\0\0\0" + "a hoüse".encode(), ">"),
        (bytes(8) + "a hoüse  \0".encode(), "<"),
    ],
)
def test_each_encoding_is_read(encode: Encode, value: bytes, order: str) -> None:
    """Programs differ in the byte order of UTF-16."""
    assert read_texts(encode(comment_fields(value, order))).comment == "a hoüse"


@FILES
@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (comment_fields(b"JIS\0\0\0\0\0abc"), "in an encoding that I cannot read"),
        (comment_fields(b"UNICODE\0abc"), "is damaged"),
        (comment_fields(b"UNICODE\0" + b"\xd8\x00\x00a"), "is damaged"),
        (comment_fields(b"ASCII\0\0\0\xff\xfe"), "is damaged"),
        (comment_fields(b"ASCII\0\0\0a", count=5000), "is damaged"),
        (comment_fields(b"ASCII\0\0\0a", count=MAX_TEXT_BYTES + 1), "too long; at most 512 KiB"),
        (comment_fields(b"")[:30], "is damaged"),
        (b"Exif\0\0MM\0*\xff\xff\xff\xff", "is damaged"),
        (b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", "is damaged"),
        (b"Exif\0\0no TIFF", "is damaged"),
        (b"Exif\0\0M", "is damaged"),
    ],
)
def test_damaged_data_is_refused(encode: Encode, data: bytes, sentence: str) -> None:
    """The reason is a sentence."""
    with pytest.raises(BadText, match=sentence):
        read_texts(encode(data))


@FILES
def test_a_file_that_is_cut_off_in_its_text_is_refused(encode: Encode) -> None:
    """One that is cut off before has none."""
    data = encode(exif("a red house", "[]"))
    end = data.index(b"UNICODE\0") + 10
    with pytest.raises(BadText, match="is damaged"):
        read_texts(data[:end])
    assert read_texts(data[:12]) == ExifTexts()


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff\xe2\0\2" * 30_000,
        b"\xff\xd8" + b"\xff" * 30_000,
        b"\xff\xd8" + b"\xff\xe2\0\0" * 30_000,
        b"RIFF\0\0\0\0WEBP" + b"ANMF\0\0\0\0" * 30_000,
    ],
)
def test_a_file_with_too_many_parts_is_refused(data: bytes) -> None:
    """They could hide a text behind millions of others."""
    with pytest.raises(BadText, match="too many parts"):
        read_texts(data)


@FILES
def test_what_does_not_fit_into_a_jpeg_is_left_out(encode: Encode) -> None:
    """First the text of this program."""
    assert read_texts(encode(exif("a" * 20_000, "b" * 30_000))) == ExifTexts("a" * 20_000)
    assert read_texts(encode(exif("a" * MAX_EXIF_BYTES, "b"))) == ExifTexts()


@FILES
@given(noise=st.binary(max_size=60), position=st.integers(0, 400), from_end=st.booleans())
def test_a_damaged_file_never_crashes_the_reader(
    encode: Encode, noise: bytes, position: int, from_end: bool
) -> None:
    """It gives some texts or BadText, wherever the damage is."""
    data = encode(exif("a red house", "[]"))
    place = len(data) - position if from_end else position
    damaged = data[:place] + noise + data[place + len(noise) :]
    try:
        read_texts(damaged)
    except BadText as error:
        assert str(error).endswith(".")
