"""Flags at the end of a prompt."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.prompt_flags import FlaggedPrompt, has_flags, merged, read
from bot.errors import Refused

OPTIONS = (
    *("prompt", "negative", "aspect", "seed", "steps", "guidance", "sampler", "count", "mode"),
    *("strength", "reference_strength", "loras", "model", "draft", "clip_skip", "raw"),
    *("width", "height", "style", "fit"),
)
"""Those of /imagine; `style` is an attachment."""


def values(text: str) -> dict[str, object]:
    """The options that the flags of this prompt set."""
    return dict(read(text, OPTIONS).values)


def refusal(text: str) -> str:
    """Why a prompt is refused."""
    with pytest.raises(Refused) as refused:
        read(text, OPTIONS)
    return str(refused.value)


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "-",
        "--",
        "—",
        "a cat — on a wall",
        "a cat —sitting on a wall",
        "a well-known cat--dog",
        "-5 degrees, --5",
        "(cat:1.3) <lora:my--name:0.8>",
        "  a cat\n",
        "a -seed 7",
    ],
)
def test_a_prompt_without_flags_is_unchanged(prompt: str) -> None:
    """Dashes of sentences and names are words."""
    assert read(prompt, OPTIONS) == FlaggedPrompt(prompt, {}, {})
    assert not has_flags(prompt)


def test_flags_set_options() -> None:
    """As people type them; the words are what precedes them."""
    text = (
        "a cat, red --ar 3:2 --seed 7 --no cars, trees --steps 30 --cfg 7,5 --sampler euler_a "
        "--count 2 --width 512 --height 768 --draft --raw --model Some Model --strength .5"
    )
    flagged = read(text, OPTIONS)
    assert flagged.prompt == "a cat, red"
    assert flagged.values == {
        "aspect": "3:2",
        "seed": 7,
        "negative": "cars, trees",
        "steps": 30,
        "guidance": 7.5,
        "sampler": "euler_a",
        "count": 2,
        "width": 512,
        "height": 768,
        "draft": True,
        "raw": True,
        "model": "Some Model",
        "strength": 0.5,
    }
    assert has_flags(text)


@pytest.mark.parametrize("dash", ["--", "—", "–", "——"])
def test_phones_write_other_dashes(dash: str) -> None:
    """An unknown name after `--` is refused; after another dash it is a word."""
    assert values(f"a cat {dash}ar 3:2 {dash}Seed 7") == {"aspect": "3:2", "seed": 7}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a --seed=7", {"seed": 7}),
        ("a --AR:16:9", {"aspect": "16:9"}),
        ("a --seed 7, --steps 8.", {"seed": 7, "steps": 8}),
        ("a --seed -1", {"seed": -1}),
        ("a --seed Random", {"seed": -1}),
        ("a --cfg ７．５ --seed ７", {"guidance": 7.5, "seed": 7}),
        ("a --sampler Euler a", {"sampler": "euler_a"}),
        ("a --sampler DPM++ 2M Karras", {"sampler": "dpmpp_2m_karras"}),
        ("a --sampler dpmpp-2m-karras", {"sampler": "dpmpp_2m_karras"}),
        ("a --sampler magic", {"sampler": "magic"}),
        ("a --no cars --no “rain”", {"negative": "cars, rain"}),
        ('a --no "', {"negative": '"'}),
        ("a --lora neon:0.8 --lora pencil", {"loras": "neon:0.8, pencil"}),
        ("a --clip-skip 2 --fit contain", {"clip_skip": 2, "fit": "contain"}),
        ("a --seed 7 --seed 7", {"seed": 7}),
        ("--seed 7", {"seed": 7}),
        ("a\n--seed 7\n--draft", {"seed": 7, "draft": True}),
    ],
)
def test_notations(text: str, expected: dict[str, object]) -> None:
    """Other signs that people type."""
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a --chaos 20", "There is no flag --chaos here. These are: --ar, --no, --seed, --steps"),
        ("a —chaos 20", "There is no flag --chaos here."),
        ("a --s 100", "How closely to follow the prompt is --cfg."),
        ("a --v 6", "A model is chosen with --model."),
        ("a --w 512", "The width is --width."),
        ("a --smapler ddim", "Did you mean --sampler?"),
        ("a --style neon", "There is no flag --style here."),
        ("a --größe 3", "There is no flag --größe here."),
        (f"a --{'x' * 500}", f"There is no flag --{'x' * 39}… here."),
        (
            "a --seed",
            "The flag --seed has no value; it takes a whole number, or any, such as --seed 7.",
        ),
        ("a --seed --draft", "The flag --seed has no value"),
        ("a --no", "The flag --no has no value; it takes a text, such as --no cars, trees."),
        ("a --seed x", "The flag --seed has the value “x”; it takes a whole number, or any"),
        (
            "a --seed 7 cats",
            "“7 cats”; it takes a whole number, or any, such as --seed 7. Flags come",
        ),
        ("a --seed 1.5", "it takes a whole number"),
        (f"a --seed {'9' * 900}", "it takes a whole number"),
        ("a --cfg 7,5,5", "it takes a number, such as --cfg 7.5"),
        ("a --cfg nan", "it takes a number"),
        ("a --draft a cat", "--draft takes no value, but “a cat” follows it. Flags come after all"),
        ("a --seed 7 --seed 8", "The flag --seed has two values. Give it once."),
    ],
)
def test_bad_flags_are_refused(text: str, sentence: str) -> None:
    """The sentence names the flag, and what is allowed."""
    assert sentence in refusal(text)


def test_each_flag_is_listed_once() -> None:
    """In the sentence about an unknown flag."""
    names = re.findall(r"--[a-z-]+", refusal("a --chaos 20").partition("These are:")[2])
    assert "--seed" in names
    assert len(names) == len(set(names))


def test_a_command_has_flags_of_its_own_options() -> None:
    """Others are unknown; `--style` is one where there is an option `styles`."""
    with pytest.raises(Refused, match=r"no flag --steps here. These are: --seed, --count\."):
        read("a --steps 4", ("prompt", "seed", "count"))
    assert read("a --style neon --styles old", ("styles",)).values == {"styles": "neon, old"}


def test_values_of_texts_stay_as_they_are() -> None:
    """Where an option takes lists and ranges, its flag does too."""
    flagged = read("a --cfg 3,5 --steps 4..12:2 --count 2", OPTIONS, ["guidance", "steps"])
    assert flagged.values == {"guidance": "3,5", "steps": "4..12:2", "count": 2}


def test_options_count_before_flags() -> None:
    """A note says so, unless both are the same; texts are joined."""
    flagged = read("a --seed 8 --steps 4 --no cars --draft --ar 3:2", OPTIONS)
    command_options = {"prompt": "a", "seed": 7, "steps": 4, "negative": "rain", "draft": False}
    options, notes = merged(command_options, flagged)
    assert options == {
        "prompt": "a",
        "seed": 7,
        "steps": 4,
        "negative": "rain, cars",
        "draft": False,
        "aspect": "3:2",
    }
    assert notes == (
        "The option seed counts, so --seed 8 has no effect.",
        "The option draft counts, so --draft has no effect.",
    )


WORDS = st.text(st.characters(exclude_characters="-—–"), max_size=40)
PIECES = st.lists(
    st.one_of(
        st.sampled_from(["--", "—", "–", " ", " --", " —", "ar", "seed", "no", "cfg", "draft"]),
        st.sampled_from(["7", "3:2", "7,5", "=", ":", ",", "“", "”", '"', "x", "\n", "style"]),
        st.text(max_size=8),
    ),
    max_size=20,
)


@given(PIECES)
def test_any_text_is_read_or_refused(pieces: list[str]) -> None:
    """No other error is raised; what is read has no flags any more, and begins the text."""
    text = "".join(pieces)
    with contextlib.suppress(Refused):
        flagged = read(text, OPTIONS)
        assert text.startswith(flagged.prompt)
        assert not has_flags(flagged.prompt)
        assert bool(flagged.values) == has_flags(text)


@given(WORDS)
def test_words_without_dashes_are_unchanged(text: str) -> None:
    """Whatever else they have."""
    assert read(text, OPTIONS) == FlaggedPrompt(text, {}, {})


@given(WORDS, st.integers(-1, 2**32 - 1), st.floats(0, 30), st.sampled_from(["--", "—", "–"]))
def test_typed_values_are_read_again(words: str, seed: int, guidance: float, dash: str) -> None:
    """The words before the flags, and each number, also with a decimal comma."""
    number = f"{guidance:.3f}".replace(".", ",")
    flagged = read(f"{words} {dash}seed {seed} {dash}cfg {number}", OPTIONS)
    assert flagged.prompt == f"{words} ".rstrip()
    assert flagged.values == {"seed": seed, "guidance": round(guidance, 3)}
