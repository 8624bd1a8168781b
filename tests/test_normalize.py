"""Normalization and tokenization of text."""

import random
import string
from time import thread_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.prompt_filter.normalize import normalize, tokenize


@pytest.mark.parametrize(
    "written",
    [
        "HOUSE",
        "ｈｏｕｓｅ",
        "𝓱𝓸𝓾𝓼𝓮",
        "ⓗⓞⓤⓢⓔ",
        "🅷🅾🆄🆂🅴",
        "hoúsè",
        "h\u0336o\u0336u\u0336s\u0336e\u0336",
        "ho\u200bu\u2060se",
        "h\u00ado\u034fuse",
        "hоusе",  # Cyrillic
        "ΗΟUSΕ",  # Greek capitals
        "hοuse",  # a small Greek letter
        "ʜᴏᴜꜱᴇ",
        "ɦꝋꞹꞩɇ",  # strokes and hooks
        "ᕼᗝᑌᔕᗴ",
        "ⱧØɄ₴Ɇ",
        "ꓧꓳꓴꓢꓰ",
        "ԋσυʂҽ",
        "ho\u3164use",
        "h\ue0001ouse".replace("\ue0001", "\ue000"),
    ],
)
def test_lookalike_characters_are_replaced(written: str) -> None:
    """They come from other scripts, styles and widths; marks and invisible characters vanish."""
    assert normalize(written) == "house"


def test_regional_indicators_are_letters() -> None:
    """Two of them together are shown as a flag."""
    assert normalize("🇭🇴🇺🇸🇪") == "house"


def test_digits_of_all_scripts_become_ascii() -> None:
    """This includes enclosed and mathematical digits."""
    for written in ("１２", "①②", "❶❷", "١٢", "१२", "𝟏𝟐"):
        assert normalize(written) == "12"


def test_only_the_tilde_of_an_n_is_preserved() -> None:
    """It may be composed or decomposed; other marks are removed."""
    assert normalize("NIÑA, nin\u0303a, nina, José") == "niña, niña, nina, jose"


@given(st.text())
def test_normalizing_is_idempotent(text: str) -> None:
    """Texts can thus be compared after any number of normalizations."""
    once = normalize(text)
    assert normalize(once) == once


def words(text: str) -> set[str]:
    """All readings of all words of the text."""
    return {
        reading
        for split in tokenize(normalize(text)).splits
        for readings in split
        for reading in readings
    }


@pytest.mark.parametrize(
    "written",
    ["h0use", "hou5e", "hous3", "h.o.u.s.e", "h-o-u-s-e", "h_o_u_s_e", "h o u s e", "ho-use",
     "hou$e!", "h*use", "h o u s 3", "(house)", "h/o/u/s/e"],
)  # fmt: skip
def test_signs_may_be_letters_or_separators(written: str) -> None:
    """Inside a word, each sign is read both ways."""
    assert "house" in words(written)


def test_separate_words_are_not_joined() -> None:
    """A sign at the end of a sentence is not read as a letter."""
    assert "house" not in words("ho use")
    assert words("red house!") >= {"red", "house"}


def test_numbers_stay_numbers() -> None:
    """Digits are read as letters only in words."""
    assert words("455 1080") == {"455", "1080"}


def test_plain_has_numbers_and_clause_ends() -> None:
    """The patterns for ages are matched against it."""
    assert tokenize("a 12yo, 12-year-old. 12 y.o.").plain == "a 12 yo , 12 year old , 12 y o ,"


def test_tokenizing_is_fast() -> None:
    """The slowest prompts of the maximum length take less than half a second of CPU time."""
    rng = random.Random(7)
    for size in (1, 9, 20, 1000):
        letters = rng.choices(string.ascii_lowercase[:9] + "01345678!|*", k=1000)
        text = " ".join("".join(letters[i : i + size]) for i in range(0, 1000, size))
        start = thread_time()
        tokenize(normalize(text))
        assert thread_time() - start < 0.5
