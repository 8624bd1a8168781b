"""Weights in prompts, and chunks of tokens."""

from time import process_time

import pytest

from engine.contract import MAX_PROMPT_CHARS
from engine.contract.prompt_weights import (
    MAX_SECTIONS,
    MAX_WEIGHT,
    WeightedText,
    as_words,
    check_sections,
    parse_weights,
)
from engine.models.prompt_chunks import MAX_CHUNKS, Token, cut_into_chunks

COMMA = 9


def sections(prompt: str) -> list[list[tuple[str, float]]]:
    """The sections of a prompt, with rounded weights."""
    return [[(text, round(weight, 4)) for text, weight in part] for part in parse_weights(prompt)]


@pytest.mark.parametrize(
    "prompt",
    [
        *("a red house", "a, b; c", "a:b", "half past 10:30", "a) b]", "a:1.3)", "b ]:1.3)"),
        *("BREAKFAST", "a break", "\N{CAT FACE}", "two\nlines", "BREAK_dance", " a  b "),
    ],
)
def test_words_are_one_text(prompt: str) -> None:
    """Without notation the prompt stays as it is."""
    assert sections(prompt) == [[(prompt, 1.0)]]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a (red) house", [("a ", 1), ("red", 1.1), (" house", 1)]),
        ("a (red:1.3) house", [("a ", 1), ("red", 1.3), (" house", 1)]),
        ("(red: .5 )", [("red", 0.5)]),
        ("(red:+2.)", [("red", 2)]),
        ("(red:-1)", [("red", -1)]),
        ("a [red] house", [("a ", 1), ("red", 0.9091), (" house", 1)]),
        ("((red))", [("red", 1.21)]),
        ("((big) red:2)", [("big", 2.2), (" red", 2)]),
        ("[(red)]", [("red", 1)]),
        ("(a:b:1.5)", [("a:b", 1.5)]),
        (r"\(red\) \[x\] \\", [(r"(red) [x] " + "\\", 1)]),
        (r"(red \(dark\):1.3)", [("red (dark)", 1.3)]),
        ("a (red house", [("a ", 1), ("red house", 1.1)]),
        ("a ((red [house", [("a ", 1), ("red ", 1.21), ("house", 1.1)]),
        ("((((", []),
        ("(:1.3)", []),
        ("()[]", []),
        ("(a:nan)", [("a:nan", 1.1)]),
        ("(a:1e9)", [("a:1e9", 1.1)]),
        ("(a:1.2.3)", [("a:1.2.3", 1.1)]),
        ("(a:99999999)", [("a", MAX_WEIGHT)]),
        ("(a:-99999999)", [("a", -MAX_WEIGHT)]),
        (f"(a:{'9' * 500})", [("a", MAX_WEIGHT)]),
        (f"{'(' * 400}a", [("a", MAX_WEIGHT)]),
        (f"{'(' * 40}{'(' * 9}a:0){':99)' * 40}", [("a", 0)]),
        ("\\", []),
        ("", []),
    ],
)
def test_weights(prompt: str, expected: list[tuple[str, float]]) -> None:
    """Everything is allowed; weights are limited."""
    assert sections(prompt) == [expected]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a BREAK b", [[("a", 1)], [("b", 1)]]),
        ("a\nBREAK\nb", [[("a", 1)], [("b", 1)]]),
        ("BREAK a", [[], [("a", 1)]]),
        ("a BREAK", [[("a", 1)], []]),
        ("a BREAK BREAK b", [[("a", 1)], [], [("b", 1)]]),
        ("(a BREAK b:2) c", [[("a", 2)], [("b", 2), (" c", 1)]]),
        ("(a) BREAK [b]", [[("a", 1.1)], [("b", 0.9091)]]),
    ],
)
def test_breaks(prompt: str, expected: list[list[tuple[str, float]]]) -> None:
    """A bracket may contain a break."""
    assert sections(prompt) == expected


@pytest.mark.parametrize("half", ["(a", "[a"])
def test_many_brackets_are_read_quickly(half: str) -> None:
    """The bot reads the prompts of a request between other events."""
    prompt = half * (MAX_PROMPT_CHARS // 2)
    start = process_time()
    for number in range(20):
        parse_weights(f"{number}{prompt}"[:MAX_PROMPT_CHARS])
    assert process_time() - start < 2


def test_too_many_parts_are_refused() -> None:
    """Those that are beyond the last chunk would be left out."""
    assert MAX_SECTIONS == MAX_CHUNKS
    parts = ["BREAKFAST"] * MAX_SECTIONS
    for prompt in (" BREAK ".join(parts), " BREAK ".join([*parts, ""]), "B\\REAK " * 9, ""):
        check_sections(prompt)
    with pytest.raises(ValueError, match="into 9 parts; at most 8 are allowed"):
        check_sections(" BREAK ".join([*parts, "a"]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a red house: 1|2", "a red house: 1|2"),
        ("a (red:1.3) [house]", r"a \(red:1.3\) \[house\]"),
        ("\\o/", "\\\\o/"),
        ("a BREAK b", "a B\\REAK b"),
    ],
)
def test_words_are_written_as_a_prompt(text: str, expected: str) -> None:
    """Its weights are 1, and it has no break."""
    assert as_words(text) == expected
    assert parse_weights(expected) == ((WeightedText(text),),)


def chunks(*lengths: int, commas: tuple[int, ...] = (), length: int = 75) -> list[int]:
    """The lengths of the chunks of sections of these lengths, with commas at these tokens."""
    parts = [
        [Token(COMMA if number in commas else 1) for number in range(count)] for count in lengths
    ]
    return [len(chunk) for chunk in cut_into_chunks(parts, length, COMMA).chunks]


def test_chunks_are_full_but_for_the_last() -> None:
    """Each section begins a new one."""
    assert [chunks(0), chunks(1), chunks(75), chunks(76)] == [[0], [1], [75], [75, 1]]
    assert chunks(75, 76, 3) == [75, 75, 1, 3]
    assert chunks(0, 5) == [0, 5]
    assert chunks(5, 0) == [5]
    assert chunks(5, 0, 5) == [5, 0, 5]


def test_a_chunk_ends_after_a_near_comma() -> None:
    """As in the web UI with its default of 20 tokens."""
    assert chunks(80, commas=(70,)) == [71, 9]
    assert chunks(80, commas=(55,)) == [56, 24]
    assert chunks(80, commas=(54,)) == [75, 5]
    assert chunks(80, commas=(60, 74)) == [75, 5]
    assert chunks(80, commas=(60, 75)) == [75, 5]
    assert chunks(75, commas=(60,)) == [75]


def test_what_follows_the_last_chunk_is_left_out() -> None:
    """Its tokens are returned."""
    section = [Token(number) for number in range(700)]
    result = cut_into_chunks([section], 75)
    assert len(result.chunks) == MAX_CHUNKS
    assert [*(token for chunk in result.chunks for token in chunk), *result.rest] == section
    assert len(result.rest) == 100
