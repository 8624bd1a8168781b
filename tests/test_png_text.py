"""Texts inside of PNG files: reading them within limits, and writing them."""

import io
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.contract.images.encode import encode_png
from engine.contract.images.png_text import MAX_TEXT_BYTES, BadText, read_texts, with_texts
from tests.engine_parts import sketch
from tests.png_parts import chunk

PNG = encode_png(sketch())
HEAD_BYTES = 8 + 25
"""The signature and IHDR."""
KEYS = ("parameters", "imagine-bot")


def with_chunks(*chunks: bytes) -> bytes:
    """The PNG with these chunks after its first one."""
    return PNG[:HEAD_BYTES] + b"".join(chunks) + PNG[HEAD_BYTES:]


def international(text: bytes, *, is_compressed: bool = False) -> bytes:
    """An iTXt chunk with a language and a translated keyword."""
    content = zlib.compress(text) if is_compressed else text
    return chunk(b"iTXt", b"parameters\0" + bytes([is_compressed, 0]) + b"de\0Angaben\0" + content)


@given(st.dictionaries(st.sampled_from(KEYS), st.text(max_size=200), min_size=1))
def test_any_text_is_read_as_it_was_written(texts: dict[str, str]) -> None:
    """Zero bytes are left out; signs that have no UTF-8 become question marks."""
    expected = {
        key: text.replace("\0", "").encode(errors="replace").decode() for key, text in texts.items()
    }
    assert read_texts(with_texts(PNG, texts), KEYS) == expected


@pytest.mark.parametrize("text", ["a red house", "Größe", "日本の家 🏠"])
def test_pillow_reads_the_texts(text: str) -> None:
    """The pixels are unchanged."""
    with Image.open(io.BytesIO(with_texts(PNG, {"parameters": text}))) as image:
        image.load()
        assert image.info["parameters"] == text
        assert image.tobytes() == sketch().tobytes()


def test_a_text_replaces_the_one_with_its_keyword() -> None:
    """Other texts stay, and writing twice gives the same file."""
    first = with_texts(PNG, {"parameters": "one", "imagine-bot": "two"})
    second = with_texts(first, {"parameters": "three"})
    assert read_texts(second, KEYS) == {"parameters": "three", "imagine-bot": "two"}
    assert with_texts(second, {"parameters": "three"}) == second


@pytest.mark.parametrize(
    "chunks",
    [
        chunk(b"tEXt", b"parameters\0text"),
        chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"text")),
        international(b"text"),
        international(b"text", is_compressed=True),
    ],
)
def test_each_kind_of_text_is_read(chunks: bytes) -> None:
    """Other keywords are ignored, and of two texts the first counts."""
    data = with_chunks(chunk(b"tEXt", b"Comment\0x"), chunks, chunk(b"tEXt", b"parameters\0b"))
    assert read_texts(data, KEYS) == {"parameters": "text"}


@pytest.mark.parametrize(
    "build",
    [
        lambda: chunk(b"tEXt", b"parameters\0" + bytes(10_000_000)),
        lambda: chunk(b"zTXt", b"parameters\0\0" + zlib.compress(bytes(10_000_000))),
        lambda: international(bytes(10_000_000), is_compressed=True),
        lambda: international(bytes(MAX_TEXT_BYTES + 1)),
    ],
)
def test_a_long_text_is_refused(build: Callable[[], bytes]) -> None:
    """No more than the limit is unpacked."""
    with pytest.raises(BadText, match="too long; at most 512 KiB"):
        read_texts(with_chunks(build()), KEYS)


def test_a_long_text_under_another_keyword_is_skipped() -> None:
    """It is not even unpacked."""
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(10_000_000)))
    assert read_texts(with_chunks(bomb, chunk(b"tEXt", b"parameters\0x")), KEYS) == {
        "parameters": "x"
    }


@pytest.mark.parametrize(
    "damaged",
    [
        chunk(b"zTXt", b"parameters\0\0no zlib"),
        chunk(b"iTXt", b"parameters\0\0\0"),
        chunk(b"iTXt", b"parameters\0\0\0en\0"),
        international(b"\xff\xfe"),
    ],
)
def test_a_damaged_text_is_refused(damaged: bytes) -> None:
    """The reason is a sentence."""
    with pytest.raises(BadText, match="is damaged"):
        read_texts(with_chunks(damaged), KEYS)


def test_a_file_with_too_many_chunks_is_refused() -> None:
    """They could hide a text behind millions of others."""
    with pytest.raises(BadText, match="too many parts"):
        read_texts(with_chunks(chunk(b"tEXt", b"a\0b") * 30_000), KEYS)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8\xff\xe0"])
def test_another_file_is_refused(data: bytes) -> None:
    """Only PNG files are read."""
    with pytest.raises(BadText, match="not a PNG"):
        read_texts(data, KEYS)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_a_damaged_file_never_crashes_the_reader(noise: bytes, position: int) -> None:
    """It gives some texts or BadText, wherever the damage is."""
    data = with_texts(PNG, {"parameters": "a red house", "imagine-bot": "[]"})
    damaged = data[:position] + noise + data[position + len(noise) :]
    try:
        assert set(read_texts(damaged, KEYS)) <= set(KEYS)
    except BadText as error:
        assert str(error).endswith(".")


def test_a_text_is_written_within_the_limit() -> None:
    """The caller has to shorten it."""
    with pytest.raises(ValueError, match="a text of"):
        with_texts(PNG, {"parameters": "x" * (MAX_TEXT_BYTES + 1)})
    with pytest.raises(ValueError, match="a keyword of 80 bytes"):
        with_texts(PNG, {"x" * 80: "text"})
