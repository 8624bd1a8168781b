"""Prompts that stand for several: permutations, and words drawn by seed."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.prompt_template import MAX_DEPTH, escaped, normal_name, parse

ANIMALS = ("cat", "dog", "fox", "owl", "fish")
WILDCARDS = {"animals": ANIMALS, "hair-colors": ("red hair", "black hair")}
WORDS = st.text(string.ascii_lowercase + " ", min_size=1, max_size=8).map(str.strip).filter(bool)
LISTS = st.lists(WORDS, min_size=2, max_size=4)
ANY = st.text("ab{},|()[]<>_:\\ ", max_size=40)


def prompts(text: str, seed: int = 7) -> list[str]:
    """The prompts that a text stands for, with the words of a seed."""
    return [permutation.prompt(seed, WILDCARDS) for permutation in parse(text).permutations()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a {red, blue} house", ["a red house", "a blue house"]),
        ("{red, blue} {cat, dog}", ["red cat", "red dog", "blue cat", "blue dog"]),
        ("a {big {cat, dog}, bird}", ["a big cat", "a big dog", "a bird"]),
        ("a {, red} house", ["a house", "a red house"]),
        ("{(a cat, a dog:1.3), a bird}", ["(a cat, a dog:1.3)", "a bird"]),
        ("{[cat|dog], bird}", ["[cat|dog]", "bird"]),
        ("({red, blue} cat:1.3)", ["(red cat:1.3)", "(blue cat:1.3)"]),
        ("[{red, blue}:green:0.5] cat", ["[red:green:0.5] cat", "[blue:green:0.5] cat"]),
        (r"{red\, white, blue}", ["red, white", "blue"]),
        ("{<lora:a,b:0.5>, <lora:c>}", ["<lora:a,b:0.5>", "<lora:c>"]),
    ],
)
def test_commas_between_braces_are_permutations(text: str, expected: list[str]) -> None:
    """In the order of reading; commas between other brackets are words."""
    assert parse(text).count == len(expected)
    assert prompts(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "a red house", "(cat:1.3)", "[cat:dog:0.5]", "[cat|dog]", r"\(a\)", "{masterpiece}"),
        *("{a, b", "a, b}", "}{", "x__y__z", "___animals___", "a_b", "__", "<lora:a__b__c:0.8>"),
        *("[cat\\|dog]", "a\\", "<lora:__animals__>", "{" * 1000, "_" * 1000, "<" * 1000),
    ],
)
def test_other_prompts_are_words(text: str) -> None:
    """To the character."""
    assert parse(text).is_plain and prompts(text) == [text] and escaped(text) == text


def test_a_backslash_makes_a_mark_a_character() -> None:
    """Of braces and wildcards."""
    assert prompts(r"a \{red, blue\} \__animals__") == ["a {red, blue} __animals__"]


def test_too_deep_braces_are_words() -> None:
    """So that no prompt exhausts the stack."""
    for depth, is_plain in ((MAX_DEPTH, False), (MAX_DEPTH + 1, True)):
        assert parse("{a," * depth + "}" * depth).is_plain is is_plain


def test_the_same_seed_draws_the_same_words() -> None:
    """These are stored in no recipe as a template, so they must not change between versions."""
    text = "a {red|blue|green} __animals__ and __animals__"
    assert prompts(text, 7) == prompts(text, 7) == ["a blue owl and fox"]
    assert len({prompts(text, seed)[0] for seed in range(40)}) > 10


def test_each_entry_is_drawn_about_as_often() -> None:
    """By consecutive seeds, as a job has them."""
    animals = [prompts("__animals__", seed)[0] for seed in range(1000)]
    assert all(150 < animals.count(animal) < 250 for animal in ANIMALS)


def test_words_around_a_wildcard_do_not_change_what_it_draws() -> None:
    """A prompt can be improved with the same animal."""
    for seed in range(20):
        [animal] = prompts("__animals__", seed)
        assert prompts("a {red, blue} __animals__, __hair_colors__", seed)[0].startswith(
            f"a red {animal}, "
        )


def test_all_permutations_draw_the_same_words() -> None:
    """So they differ in the permuted words alone."""
    first, second = prompts("{red, blue} __animals__", 3)
    assert first.split()[1] == second.split()[1]


def test_bars_separate_before_commas() -> None:
    """As in other programs, in which commas between bars are words."""
    text = "{long hair, blue eyes|short hair}"
    assert parse(text).count == 1
    texts = {prompts(text, seed)[0] for seed in range(40)}
    assert texts == {"long hair, blue eyes", "short hair"}


def test_permutations_between_bars_are_drawn() -> None:
    """The number of pictures does not depend on the seed."""
    text = "{a {red, blue} cat|a dog}"
    assert parse(text).count == 1
    texts = {prompts(text, seed)[0] for seed in range(60)}
    assert texts == {"a red cat", "a blue cat", "a dog"}


def test_names_of_wildcards_have_one_form() -> None:
    """In any case, with spaces, hyphens or underscores."""
    assert parse("__Hair_Colors__ __animals__ __hair-colors__").names == ("hair-colors", "animals")
    assert normal_name(" Oil  Painting ") == "oil-painting"
    assert normal_name("Bäume") == "bäume" and normal_name("動物") == "動物"
    for text in ("", "-", "a,b", "a:b", "{a}", "@everyone", "a\u200bb"):
        assert normal_name(text) is None


def test_the_count_of_many_permutations_is_computed() -> None:
    """Without making them."""
    assert parse("{a, b}" * 60).count == 2**60


@given(LISTS, LISTS)
def test_each_combination_is_a_prompt(first: list[str], second: list[str]) -> None:
    """Whatever the words are."""
    text = f"{{{', '.join(first)}}} and {{{', '.join(second)}}}"
    expected = [" ".join(f"{a} and {b}".split()) for a in first for b in second]
    assert [" ".join(prompt.split()) for prompt in prompts(text)] == expected


@given(ANY)
def test_any_text_is_read(text: str) -> None:
    """There are as many permutations as counted, and none has a permutation left."""
    template = parse(text)
    if template.count <= 100 and set(template.names) <= set(WILDCARDS):
        found = list(template.permutations())
        assert len(found) == template.count
        assert all(isinstance(permutation.prompt(1, WILDCARDS), str) for permutation in found)
        assert all(permutation.count == 1 for permutation in found)


@given(ANY.filter(lambda text: "\\" not in text))
def test_an_escaped_prompt_stands_for_itself(text: str) -> None:
    """So the command of a recipe paints the recipe."""
    template = parse(escaped(text))
    assert template.is_plain and template.prompt(1, {}) == text
