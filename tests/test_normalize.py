"""Words as plain letters."""

import random
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.prompt_filter import normalize


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
def test_it_does_not_matter_with_which_characters_a_word_is_written(written: str) -> None:
    """All of them are a house."""
    assert normalize.folded(written) == "house"


def test_flags_may_spell_as_well() -> None:
    """Their halves are letters."""
    assert normalize.folded("🇭🇴🇺🇸🇪") == "house"


def test_digits_of_all_scripts_are_ours() -> None:
    """However they count, 12 is 12."""
    for written in ("１２", "①②", "❶❷", "١٢", "१२", "𝟏𝟐"):
        assert normalize.folded(written) == "12"


def test_only_the_tilde_of_an_n_stays() -> None:
    """Whichever way it is written; accents go."""
    assert normalize.folded("NIÑA, nin\u0303a, nina, José") == "niña, niña, nina, jose"


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    """So lists and texts can be compared."""
    once = normalize.folded(text)
    assert normalize.folded(once) == once


def words(text: str) -> set[str]:
    """All words that are read in any way."""
    return {
        each for cut in normalize.read(normalize.folded(text)).cuts for word in cut for each in word
    }


@pytest.mark.parametrize(
    "written",
    ["h0use", "hou5e", "hous3", "h.o.u.s.e", "h-o-u-s-e", "h_o_u_s_e", "h o u s e", "ho-use",
     "hou$e!", "h*use", "h o u s 3", "(house)", "h/o/u/s/e"],
)  # fmt: skip
def test_signs_may_be_letters_or_stand_between_them(written: str) -> None:
    """The word is among what is read."""
    assert "house" in words(written)


def test_what_stands_apart_is_not_joined() -> None:
    """Two words stay two, and the end of a sentence is no letter."""
    assert "house" not in words("ho use")
    assert words("red house!") >= {"red", "house"}


def test_numbers_stay_numbers() -> None:
    """They spell nothing."""
    assert words("455 1080") == {"455", "1080"}


def test_plain_writing_keeps_numbers_and_pauses() -> None:
    """In which ages are looked for."""
    assert (
        normalize.read("a 12yo, 12-year-old. 12 y.o.").plain == "a 12 yo , 12 year old , 12 y o ,"
    )


def test_reading_is_quick_whatever_is_typed() -> None:
    """The longest prompts of the worst kind take no half second, on a busy machine."""
    chance = random.Random(7)
    for size in (1, 9, 20, 1000):
        letters = chance.choices(string.ascii_lowercase[:9] + "01345678!|*", k=1000)
        text = " ".join("".join(letters[at : at + size]) for at in range(0, 1000, size))
        begun = time.perf_counter()
        normalize.read(normalize.folded(text))
        assert time.perf_counter() - begun < 0.5
