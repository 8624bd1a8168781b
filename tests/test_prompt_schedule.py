"""Prompts that change from step to step."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.kinds import draft, imagine
from bot.domain.plan import PlanContext
from engine.contract import Change, PictureOptions, PromptFormat, Recipe, make_recipes
from engine.contract.prompt_schedule import PromptSchedule, parse, write
from tests.fake_engine import MODEL


@pytest.mark.parametrize(
    ("text", "prompt", "changes"),
    [
        ("a [cat:dog:0.5] on grass", "a cat on grass", ((5, "a dog on grass"),)),
        ("a [cat:dog:3]", "a cat", ((3, "a dog"),)),
        ("a [cat:dog:.25]", "a cat", ((2, "a dog"),)),
        ("a [cat:dog: 3 ]", "a cat", ((3, "a dog"),)),
        ("a [red ::0.5]cat", "a red cat", ((5, "a cat"),)),
        ("a [:red :0.5]cat", "a cat", ((5, "a red cat"),)),
        ("a [cat:dog:0]", "a dog", ()),
        ("a [cat:dog:0.0]", "a dog", ()),
        ("a [cat:dog:10]", "a cat", ()),
        ("a [cat:dog:1.0]", "a cat", ()),
        ("a [cat:dog:2.5]", "a cat", ()),
        ("[a:b:3], [c:d:3]", "a, c", ((3, "b, d"),)),
        ("[a:b:3], [c:d:7]", "a, c", ((3, "b, c"), (7, "b, d"))),
        ("[a:[b:c:0.8]:0.2]", "a", ((2, "b"), (8, "c"))),
        ("[a:[b|c]:8]", "a", ((8, "b"), (9, "c"))),
        ("[[a]:[b]:8]", "[a]", ((8, "[b]"),)),
        ("x [the [a:b:8]]", "x [the a]", ((8, "x [the b]"),)),
    ],
)
def test_a_schedule_of_ten_steps(
    text: str, prompt: str, changes: tuple[tuple[int, str], ...]
) -> None:
    """A number with a dot is a share of the steps, another one a number of steps."""
    assert parse(text, 10) == PromptSchedule(prompt, changes)


@pytest.mark.parametrize(
    ("text", "prompt", "changes"),
    [
        ("a [cat:dog:3] (on:1.2) grass", "a cat (on:1.2) grass", ((3, "a dog (on:1.2) grass"),)),
        ("[(cat:1.3):(dog):0.5]", "(cat:1.3)", ((5, "(dog)"),)),
        ("(a [cat:dog:0.5]:1.3)", "(a cat:1.3)", ((5, "(a dog:1.3)"),)),
        ("a [red:0.5] cat", "a  cat", ((5, "a red cat"),)),
        ("a [red] cat", "a [red] cat", ()),
        ("a [[red]:blue:5] cat", "a [red] cat", ((5, "a blue cat"),)),
        (r"\[a:b:5\] \(c\) \\", r"\[a:b:5\] \(c\) \\", ()),
        (r"[\]:\(:5]", r"\]", ((5, r"\("),)),
        (r"[a\:b:c:5]", r"a\:b", ((5, "c"),)),
        ("[a (b:c:0.5]", "[a (b:c:0.5]", ()),
        ("((((", "((((", ()),
        ("[a) b:c:5]", "a) b", ((5, "c"),)),
        ("a BREAK [b:c:5]", "a BREAK b", ((5, "a BREAK c"),)),
    ],
)
def test_a_schedule_of_a_prompt_with_weights(
    text: str, prompt: str, changes: tuple[tuple[int, str], ...]
) -> None:
    """Weights and backslashes stay in the prompts."""
    assert parse(text, 10) == PromptSchedule(prompt, changes)


@pytest.mark.parametrize(
    "text", ["a (cat:1.3)", r"\(a\) [b]", "((((", "a [cat:(dog:1.2):5] x", "[a|b] c", "[(a:2)|b]"]
)
def test_a_schedule_with_weights_is_written_as_it_was(text: str) -> None:
    """So other programs read it too."""
    assert write(parse(text, 10), 10) == text


def test_a_share_is_exact() -> None:
    """0.29 of 100 steps are 29, although the binary fraction is smaller."""
    assert parse("[a:b:0.29]", 100).changes == ((29, "b"),)


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("[a|b] x", ["a x", "b x", "a x", "b x", "a x"]),
        ("[a|b|c]", ["a", "b", "c", "a", "b"]),
        ("[|b]x", ["x", "bx", "x", "bx", "x"]),
        ("[at 10:30|at noon]", ["[at 10:30|at noon]"] * 5),
        ("[a|[b|c]]", ["a", "c", "a", "c", "a"]),
    ],
)
def test_an_alternation_changes_at_each_step(text: str, prompts: list[str]) -> None:
    """After the last part the first one is next."""
    schedule = parse(text, 5)
    texts = [schedule.prompt]
    for step in range(1, 5):
        texts.append(dict(schedule.changes).get(step, texts[-1]))
    assert texts == prompts


@pytest.mark.parametrize(
    "text",
    [
        "a red house",
        "[cat:dog:0.5",
        "cat:dog:0.5]",
        "[cat:dog:0.5]]",
        "]cat[",
        "\\ [a:b:0.5",
        "[cat]",
        "[cat:dog]",
        "[cat:dog:half]",
        "[cat:dog:-1]",
        "[cat:dog:bird:0.5]",
        "[cat|dog:bird:0.5]",
        "[a:b:[0.5]]",
        "(cat:1.2), time: 10:30 | noon",
        "[" * 30 + "a|b" + "]" * 30,
    ],
)
def test_everything_else_is_words(text: str) -> None:
    """Also if the brackets do not match."""
    assert parse(text, 10) == PromptSchedule(text)


def test_a_backslash_makes_a_bracket_a_word() -> None:
    """It stays, because weights have brackets too."""
    assert parse(r"\[cat:dog:0.5\] \o/", 10) == PromptSchedule(r"\[cat:dog:0.5\] \o/")
    assert parse(r"[a\]:b:5]", 10) == PromptSchedule(r"a\]", ((5, "b"),))


@given(st.text("ab[]:|\\.05 ", max_size=60), st.integers(0, 20))
def test_any_text_is_a_schedule(text: str, steps: int) -> None:
    """Changes ascend, are within the steps, and each changes something."""
    schedule = parse(text, steps)
    at = [step for step, _ in schedule.changes]
    assert at == sorted(set(at)) and all(0 < step < steps for step in at)
    prompts = [schedule.prompt, *(prompt for _, prompt in schedule.changes)]
    assert all(before != after for before, after in pairwise(prompts))


def made(**options: object) -> Recipe:
    """The recipe of a request."""
    values = {"prompt": "a cat", "count": 1, "steps": 10} | options
    return make_recipes(PictureOptions(**values), MODEL, size=(64, 64), seed=1)[0]  # type: ignore[arg-type] # any options


def test_both_prompts_may_have_a_schedule() -> None:
    """A step at which both change is one change."""
    scheduled = made(prompt="a [cat:dog:0.5]", negative="[red:blue:0.5] [x::2]")
    assert (scheduled.prompt, scheduled.negative) == ("a cat", "red x")
    assert scheduled.changes == (
        Change(step=2, negative="red "),
        Change(step=5, prompt="a dog", negative="blue "),
    )


def test_raw_prompts_have_no_schedule() -> None:
    """The brackets are painted as words."""
    raw = made(prompt="a [cat:dog:0.5]", negative=r"\[a|b]", raw=True)
    assert raw.prompt_format is PromptFormat.PLAIN
    assert made().prompt_format is PromptFormat.A1111
    assert (raw.prompt, raw.negative, raw.changes) == ("a [cat:dog:0.5]", r"\[a|b]", ())


def test_a_share_counts_the_steps_that_are_run() -> None:
    """With a sketch and a strength of 0.5 these are five of ten."""
    options = PictureOptions(prompt="[a:b:0.4]", steps=10, strength=0.5)
    [first, *_] = make_recipes(options, MODEL, size=(64, 64), seed=1, source="a" * 64)
    assert first.changes == (Change(step=2, prompt="b"),)


def test_a_prompt_that_becomes_empty_is_refused() -> None:
    """The sentence names the step."""
    with pytest.raises(ValueError, match="The prompt is empty from step 5 on"):
        made(prompt="[cat::0.5]")


def test_a_prompt_with_too_many_parts_is_refused() -> None:
    """At any step, and the negative prompt too."""
    parts = "a BREAK " * 8
    assert made(prompt=f"{parts}b", raw=True).prompt == f"{parts}b"
    assert made(prompt=parts).prompt == parts
    for name, text in (("prompt", "{}b"), ("prompt", "[a:{}b:0.5]"), ("negative", "{}b")):
        with pytest.raises(ValueError, match="into 9 parts"):
            made(**{name: text.format(parts)})


def test_a_prompt_with_a_lora_is_refused() -> None:
    """At any step, and the negative prompt too; it is words with `raw`."""
    tag = "<lora:detail:0.8>"
    assert made(prompt=f"a {tag}", raw=True).prompt == f"a {tag}"
    assert made(prompt="a <lora> : <3").prompt == "a <lora> : <3"
    for name, text in (
        ("prompt", f"a {tag}"),
        ("prompt", f"[a:b {tag}:0.5]"),
        ("negative", "<LYCO:detail>"),
    ):
        with pytest.raises(ValueError, match="no LoRA “detail”"):
            made(**{name: text})


def test_messages_show_the_users_own_words() -> None:
    """The plan has them."""
    context = PlanContext(models=(MODEL,), seed=5)
    for prompt, words in (("a [cat:dog:0.5]", "a [cat:dog:0.5]"), ("a cat", "")):
        options = imagine.parse(prompt=prompt, steps=10)
        planned = imagine.plan(imagine.ImagineRequest(options=options), context)
        assert planned.prompt == words


def test_a_draft_changes_after_the_same_share_of_its_steps() -> None:
    """What finishes it is the full recipe."""
    context = PlanContext(models=(MODEL,), seed=5)
    options = imagine.parse(prompt="a [cat:dog:0.5]", steps=20)
    planned = draft.plan(imagine.ImagineRequest(options=options), context)
    assert {item.recipe.changes for item in planned.recipes} == {(Change(step=4, prompt="a dog"),)}
    drafts = [item.recipe for item in planned.recipes]
    full = list(map(draft.full_recipe, drafts, planned.full_recipes))
    assert full == list(planned.full_recipes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a [cat:dog:0.5] on grass", "a [cat:dog:5] on grass"),
        ("a [:red :0.5]cat", "a [cat:red cat:5]"),
        ("[a:b:3], [c:d:7]", "[a, c:[b, c:b, d:7]:3]"),
        ("a [red|blue|green] house", "a [red|blue|green] house"),
        ("[a|[b|c]]", "[a|c]"),
        ("a [cat:dog:1.0]", "a cat"),
        (r"a \[cat:dog:5\]", r"a \[cat:dog:5\]"),
        (r"\[x:y:2\] [cat:dog:5]", r"\[x:y:2\] [cat:dog:5]"),
        ("(a:1.2) [cat:dog:5]", "(a:1.2) [cat:dog:5]"),
        ("[a:[b|c]:8]", "[a:[b:c:9]:8]"),
        ("a house", "a house"),
        ("[unclosed", "[unclosed"),
    ],
)
def test_a_schedule_is_written(text: str, expected: str) -> None:
    """In the same notation, with what all prompts have in common outside of the brackets."""
    schedule = parse(text, 10)
    assert write(schedule, 10) == expected
    assert parse(expected, 10) == schedule


@pytest.mark.parametrize(
    "schedule",
    [
        PromptSchedule("a", ((3, "at 10:30"),)),
        PromptSchedule("a", tuple((step, f"{step * step}") for step in range(1, 60))),
    ],
)
def test_some_schedules_cannot_be_written(schedule: PromptSchedule) -> None:
    """Colons would separate parts, and brackets are within each other to a limit."""
    assert write(schedule, 60) is None


words = st.text("ab [](:|\\", max_size=8)


@given(words, st.dictionaries(st.integers(1, 9), words, max_size=4))
def test_what_is_written_is_read_as_it_was(prompt: str, changes: dict[int, str]) -> None:
    """Whatever the words; else nothing is written."""
    schedule = PromptSchedule(prompt, tuple(sorted(changes.items())))
    text = write(schedule, 10)
    assert text is None or parse(text, 10) == schedule
