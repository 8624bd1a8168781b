"""Untrusted bytes to plain pixels: what the corpus of hostile files does not ask."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bot.attachments import image_decoder
from bot.attachments.image_decoder import (
    ANSWER_LIMIT,
    SIDE_LIMIT,
    Answer,
    Verdict,
    decode,
    unpacked,
)
from tests import png_parts
from tests.hostile_files import PNG
from tests.samples import encoded

FORMATS = ("PNG", "JPEG", "WEBP")
NOISE = {format: encoded(Image.effect_noise((32, 32), 50), format) for format in FORMATS}


@given(st.sampled_from(FORMATS), st.binary(max_size=300), st.integers(0, 600))
def test_damage_never_surprises(format: str, damage: bytes, at: int) -> None:
    """Whatever a file holds, there is a verdict, and it can be told."""
    data = bytearray(NOISE[format])
    data[at : at + len(damage)] = damage
    answer = decode(bytes(data))
    assert unpacked(answer.packed()) == answer


@given(st.sampled_from(FORMATS), st.integers(0, 2000))
def test_no_part_of_a_file_is_a_file(format: str, length: int) -> None:
    """Cut anywhere."""
    data = NOISE[format]
    answer = decode(data[: min(length, len(data) - 1)])
    assert answer.verdict in {Verdict.BROKEN, Verdict.NO_PICTURE}


@given(st.binary(max_size=2000))
def test_an_answer_that_makes_no_sense_is_none(data: bytes) -> None:
    """Who decodes untrusted files is not to be trusted."""
    with pytest.raises(ValueError):
        unpacked(b"\1" + data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\1",
        Answer(Verdict.PICTURE, 2, 2, bytes(11)).packed(),
        Answer(Verdict.PICTURE, 2, 2, bytes(13)).packed(),
        Answer(Verdict.PICTURE, 0, 0).packed(),
        Answer(Verdict.PICTURE, SIDE_LIMIT + 1, 1, bytes(3 * SIDE_LIMIT + 3)).packed(),
        Answer(Verdict.BROKEN, 1, 1, bytes(3)).packed(),
        b"\0" + Answer(Verdict.BROKEN).packed()[1:],
        b"\x07" + Answer(Verdict.BROKEN).packed()[1:],
    ],
)
def test_numbers_and_pixels_must_fit(data: bytes) -> None:
    """Sizes, lengths and verdicts."""
    with pytest.raises(ValueError):
        unpacked(data)


def test_the_longest_answer_is_known() -> None:
    """The largest picture comes out as large as an answer may be."""
    large = decode(encoded(Image.new("RGB", (2200, 2200), "red")))
    assert len(large.packed()) == ANSWER_LIMIT


def test_later_frames_are_not_even_unpacked() -> None:
    """A film is as quick as its first frame: what a later one holds is nobody's business."""
    data = PNG[:-12] + png_parts.chunk(b"fdAT", b"no frame at all") + png_parts.END
    assert decode(data) == decode(PNG)


@pytest.mark.parametrize("format", FORMATS)
def test_pillow_is_not_asked_what_a_file_is(format: str) -> None:
    """Of its many readers, three can be reached, each by a signature."""
    assert decode(NOISE[format]).verdict is Verdict.PICTURE
    assert decode(b"\0" + NOISE[format]).verdict is Verdict.NO_PICTURE


def test_what_needs_too_much_memory_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not called broken."""

    def greedy(_: bytes) -> Answer:
        return Answer(Verdict.PICTURE, 1, 1, bytes(1 << 62))

    monkeypatch.setattr(image_decoder, "_decoded", greedy)
    assert decode(b"") == Answer(Verdict.TOO_MUCH_MEMORY)
