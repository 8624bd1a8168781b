"""The words that are added to prompts."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.prompt_expansion import MAX_PHRASES, expanded, is_expandable, with_phrases
from bot.domain.prompt_flags import has_flags
from bot.domain.prompt_template import parse
from engine.contract import MAX_PROMPT_CHARS
from engine.starter.captions import all_words
from tests.fake_engine import MODEL

STARTER = msgspec.structs.replace(MODEL, name="starter-lightning-8-steps")
SEEDS = range(60)


def variants(prompt: str) -> set[str]:
    """The expansions of a prompt for the starter."""
    return {expanded(prompt, STARTER, seed) for seed in SEEDS}


def test_equal_seeds_add_equal_words() -> None:
    """Others add others."""
    for model in (MODEL, STARTER):
        texts = [expanded("a house", model, seed) for seed in SEEDS]
        assert texts == [expanded("a house", model, seed) for seed in SEEDS]
        assert len(set(texts)) > 20


def test_the_starter_gets_words_that_it_knows() -> None:
    """It was trained on all of them."""
    known = {word for phrase in all_words() for word in phrase.split()}
    for prompt in ("a house", "a cat in the snow at night", "an umbrella, by the sea"):
        for text in variants(prompt):
            assert set(re.findall("[a-z']+", text)) <= known | set(prompt.split()), text


def test_a_place_and_a_time_are_added_that_are_missing() -> None:
    """And a colour, for the first thing."""
    assert all(re.fullmatch(r"an? \w+ house, [^,]+, [^,]+", text) for text in variants("a house"))
    assert all(text.startswith("a red house, ") for text in variants("a red house"))
    assert {text.count(",") for text in variants("a house at night")} == {1}
    assert {text.count(",") for text in variants("a house, winter, dusk")} == {3}
    assert any(text.startswith("an orange boat,") for text in variants("a boat"))
    assert all(text.startswith("the ") for text in variants("the boat"))


def test_other_models_get_what_is_not_said_yet() -> None:
    """A word about light leaves out those about light."""
    for seed in SEEDS:
        plain, lit = (expanded(text, MODEL, seed) for text in ("a fox", "a fox in soft light"))
        assert (plain.count(","), lit.count(",")) == (4, 3)
        all_said = "a detailed portrait, dramatic lighting, vivid colors"
        assert expanded(all_said, MODEL, seed).startswith(f"{all_said}, ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (", highly detailed, digital painting", "a fox, highly detailed, digital painting"),
        (" in the Snow. art by someone famous, 8k", "a fox, in the snow, 8k"),
        ("<@123> @everyone, **bold**, <lora:x:1>, {a,b}, __animals__, --steps 3, (x:1.3)", "a fox"),
        ("a fox, A FOX, sharp focus, sharp focus", "a fox, sharp focus"),
        ("in the style of somebody, https://example.org/a, 4k", "a fox, 4k"),
        ("", "a fox"),
        ("x" * 100, "a fox"),
        ("BREAK, soft", "a fox, break, soft"),
    ],
)
def test_of_a_language_model_plain_words_are_used(text: str, expected: str) -> None:
    """No mentions, no notation of prompts, no flags and no artists."""
    assert with_phrases("a fox", text) == expected


@given(st.text(max_size=200))
def test_whatever_a_language_model_writes_is_words(text: str) -> None:
    """It starts with the prompt, has no notation, and is no longer than prompts are."""
    prompt = "a fox {red, blue}"
    added = with_phrases(prompt, text).removeprefix(prompt)
    assert parse(added).is_plain and not has_flags(added)
    assert not set(added) & set("<>@*_`|{}()[]:\\#~")
    assert added.count(",") <= MAX_PHRASES


def test_there_is_room_for_words() -> None:
    """A prompt is not longer than allowed; one without words is not expanded."""
    long = "word " * 198
    assert not is_expandable(long) and not is_expandable("") and not is_expandable("123 - ?")
    assert is_expandable("猫") and is_expandable("a cat")
    nearly = "w" * (MAX_PROMPT_CHARS - 10)
    assert with_phrases(nearly, "longer than ten, more") == nearly
