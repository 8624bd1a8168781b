"""Styles: words and settings that a request adds by name."""

import re
from typing import Any

import msgspec
import pytest

from bot.domain import built_in_presets, styles
from bot.domain.built_in_presets import STARTER_STYLES, STARTER_WILDCARDS, STYLES, WILDCARDS
from bot.domain.kinds import draft, imagine
from bot.domain.kinds.imagine import ImagineRequest
from bot.domain.plan import Plan, PlanContext
from bot.domain.presets import BUILT_IN, Presets
from bot.domain.styles import MAX_STYLES, Style, apply, chosen, parse, suggestions
from bot.errors import Refused
from engine.contract import Distilled, PictureOptions, Sampler
from engine.starter.captions import all_words
from tests.fake_engine import MODEL

NAMED = {
    "big": Style(prompt="huge {prompt}, epic", negative="small", steps=40, guidance=9.0),
    "ink": Style(prompt="black ink", negative="color", sampler="ddim"),
    "plain": Style(negative="frame"),
}
OPTIONS = PictureOptions(prompt="a cat")
PRESETS = Presets(NAMED, BUILT_IN.wildcards)


def planned(**options: object) -> Plan:
    """The plan of a request to the flat model with these styles."""
    request = ImagineRequest(options=imagine.parse(**{"prompt": "a cat"} | options))
    return imagine.plan(request, PlanContext(models=(MODEL,), seed=5, presets=PRESETS))


def test_words_stand_around_or_behind_the_prompt() -> None:
    """In the order of the styles."""
    options, notes = apply(OPTIONS, [NAMED["big"], NAMED["ink"]], MODEL)
    assert (options.prompt, options.negative) == ("huge a cat, epic, black ink", "small, color")
    assert (options.steps, options.guidance, options.sampler) == (40, 9.0, "ddim")
    assert notes == ()


def test_without_styles_nothing_changes() -> None:
    """To the character."""
    odd = PictureOptions(prompt=" a cat, ", negative=" x ,", steps=3)
    assert apply(odd, [], MODEL) == (odd, ())


def test_a_style_of_no_prompt_is_its_words() -> None:
    """Beside a reference picture, a prompt may be empty."""
    for name, words in (("big", "huge , epic"), ("ink", "black ink"), ("plain", "")):
        options, _ = apply(PictureOptions(prompt=""), [NAMED[name]], MODEL)
        assert options.prompt == words


def test_settings_of_the_request_count_first() -> None:
    """Then those of the first style that has one."""
    own = PictureOptions(prompt="a", negative="rain", steps=3, sampler="euler")
    options, _ = apply(own, [NAMED["big"], Style(guidance=2.0)], MODEL)
    assert (options.steps, options.guidance, options.sampler) == (3, 9.0, "euler")
    assert options.negative == "rain, small"


def test_settings_that_a_model_does_not_take_are_left_out() -> None:
    """With a sentence for each; the negative prompt is left out where it has no effect."""
    few = Distilled("Turbo", 8, 1.0)
    card = msgspec.structs.replace(MODEL, distilled=few, guidance=1.0, max_steps={Sampler.DDIM: 0})
    options, notes = apply(OPTIONS, [NAMED["big"], NAMED["ink"]], card)
    assert (options.steps, options.guidance, options.sampler) == (None, None, None)
    assert options.negative is None
    assert notes == (
        "This model does not take the style's 40 steps; it has its own.",
        "This model does not take the style's guidance 9; it has its own.",
        "This model does not take the style's sampler ddim; it has its own.",
    )


def test_a_sampler_is_left_out_that_takes_fewer_steps() -> None:
    """The steps of the request count."""
    card = msgspec.structs.replace(MODEL, max_steps={Sampler.DDIM: 10})
    own = PictureOptions(prompt="a", steps=20)
    options, notes = apply(own, [NAMED["ink"]], card)
    assert options.sampler is None and len(notes) == 1


def test_the_result_may_not_be_too_long() -> None:
    """The sentence says that styles made it so."""
    with pytest.raises(Refused, match=r"With its styles, the prompt has 10\d\d characters"):
        apply(PictureOptions(prompt="x" * 995), [NAMED["ink"]], MODEL)
    with pytest.raises(Refused, match="the negative prompt has 1001 characters"):
        apply(PictureOptions(prompt="x", negative="x" * 994), [NAMED["ink"]], MODEL)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (None, ()),
        ("  ", ()),
        (" -", ()),
        ("—", ()),
        ("big", ("big",)),
        (" Ink , BIG,ink,", ("ink", "big")),
        ("big — huge epic", ("big",)),
    ],
)
def test_names_are_read_from_a_text(text: str | None, names: tuple[str, ...]) -> None:
    """Each once, in any case, also with the words of a suggestion."""
    assert parse(text, NAMED) == names


def test_an_unknown_style_is_refused_with_similar_names() -> None:
    """Or with all, if none is similar."""
    with pytest.raises(Refused, match=re.escape("no style “watercolour”. Did you mean watercolor")):
        parse("watercolour", STYLES)
    with pytest.raises(Refused, match=r"no style “raw”\. There are: big, ink, plain\."):
        parse("raw", NAMED)
    with pytest.raises(Refused, match=f"at most {MAX_STYLES} styles; this one has 6"):
        parse(",".join(list(STYLES)[:6]), STYLES)


def test_the_styles_of_a_setting_are_used_without_the_option() -> None:
    """Those that are none here are left out, with a note; `-` is none of them."""
    big, ink = NAMED["big"], NAMED["ink"]
    assert chosen(None, "ink, big, ink", NAMED) == ((ink, big), ("Styles: ink, big.",))
    assert chosen("big", "ink", NAMED) == ((big,), ("Style: big.",))
    assert chosen("-", "ink", NAMED) == chosen(None, "", NAMED) == ((), ())
    found, notes = chosen(" ", "gone, ink", NAMED)
    assert found == (ink,)
    assert notes == ("Style: ink.", "Your setting styles names “gone”, which is no style here.")
    assert len(chosen(None, ", ".join(STYLES), STYLES).styles) == MAX_STYLES
    with pytest.raises(Refused, match="no style “gone”"):
        chosen("gone", "ink", NAMED)


def test_the_last_name_is_completed() -> None:
    """With its words as a hint; names at whose beginning it stands come first."""
    labels = [(item.label, item.value) for item in suggestions("big, i", NAMED)]
    assert labels == [
        ("big, ink — black ink", "big, ink"),
        ("big, plain", "big, plain"),
    ]
    assert [item.value for item in suggestions("", NAMED)] == ["big", "ink", "plain"]
    assert [item.value for item in suggestions("big,", NAMED)] == ["big, ink", "big, plain"]
    assert suggestions("a, b, c, d, e, f", NAMED) == []
    assert all(len(item.label) <= 100 for item in suggestions("", STYLES))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "needs words"),
        ({"prompt": "{prompt}"}, "needs words"),
        ({"prompt": "x" * 401}, "has at most 400 characters; this one has 401"),
        ({"negative": "x" * 401}, "negative prompt of a style"),
        ({"steps": 0}, "must be 1 to 150"),
        ({"guidance": 31.0}, "must be 0 to 30"),
    ],
)
def test_impossible_styles_are_refused(values: dict[str, Any], sentence: str) -> None:
    """At birth, whoever makes them."""
    with pytest.raises(Refused, match=sentence):
        Style(**values)


def test_twenty_styles_are_built_in() -> None:
    """Each has words and a negative prompt."""
    assert len(STYLES) == 20 and list(STYLES) == sorted(STYLES)
    assert all(style.added and style.negative for style in STYLES.values())


def test_the_starter_model_knows_the_words_of_its_styles_and_wildcards() -> None:
    """They are phrases of the captions that it was trained on."""
    phrases = set(all_words())
    words = {word for phrase in phrases for word in phrase.split()}
    for name in STARTER_STYLES:
        assert all(part.strip() in phrases for part in STYLES[name].prompt.split(","))
        assert STYLES[name].negative in words
    for name in STARTER_WILDCARDS:
        assert set(WILDCARDS[name].entries) <= phrases


def test_the_recipe_has_the_result_and_the_plan_the_users_words() -> None:
    """A replay needs no style."""
    plan = planned(styles="big, ink", count=1)
    [recipe] = [work.recipe for work in plan.recipes]
    assert (recipe.prompt, recipe.negative) == ("huge a cat, epic, black ink", "small, color")
    assert (recipe.steps, recipe.guidance, recipe.sampler) == (40, 9.0, "ddim")
    assert plan.prompt == "a cat"


def test_styles_keep_weights_and_changes_of_the_prompt() -> None:
    """Also as words, with raw."""
    plan = planned(prompt="[(cat:1.3):dog:0.5]", styles="ink", steps=10)
    first = plan.recipes[0].recipe
    assert first.prompt == "(cat:1.3), black ink"
    assert [change.prompt for change in first.changes] == ["dog, black ink"]
    raw = planned(prompt="[cat:dog:0.5] {a, b} __x__", styles="ink", raw=True)
    assert {work.prompt for work in raw.recipes} == {"[cat:dog:0.5] {a, b} __x__, black ink"}


def test_permutations_are_pictures_of_one_seed() -> None:
    """One each, or as many as the count says; they have one row class."""
    plan = planned(prompt="a {red, blue} {cat, dog}", seed=7)
    assert [(work.prompt, work.seed) for work in plan.recipes] == [
        ("a red cat", 7), ("a red dog", 7), ("a blue cat", 7), ("a blue dog", 7),
    ]  # fmt: skip
    assert plan.prompt == "a {red, blue} {cat, dog}"
    twice = planned(prompt="{red, blue} cat", seed=7, count=2)
    assert [(work.prompt, work.seed) for work in twice.recipes] == [
        ("red cat", 7), ("red cat", 8), ("blue cat", 7), ("blue cat", 8),
    ]  # fmt: skip
    four = planned(prompt="cat", seed=7)
    assert {work.recipe.row_class for work in plan.recipes} == {four.recipes[0].recipe.row_class}


def test_a_picture_draws_the_words_of_its_own_seed() -> None:
    """So the third picture of seed 7 is the first one of seed 9."""
    four = planned(prompt="a __animals__ at night", seed=7)
    assert [work.seed for work in four.recipes] == [7, 8, 9, 10]
    animals = {f"a {name} at night" for name in WILDCARDS["animals"].entries}
    assert {work.prompt for work in four.recipes} <= animals
    single = planned(prompt="a __animals__ at night", seed=9, count=1)
    assert single.recipes[0].recipe.prompt == four.recipes[2].recipe.prompt


def test_drafts_have_the_words_of_their_pictures() -> None:
    """Their full recipes too."""
    options = imagine.parse(prompt="{red, blue} __animals__", seed=7, steps=30)
    context = PlanContext(models=(MODEL,), seed=5)
    plan = draft.plan(ImagineRequest(options=options), context)
    full = imagine.plan(ImagineRequest(options=options), context)
    assert plan.full_recipes == full.recipes
    assert [work.prompt for work in plan.recipes] == [work.prompt for work in full.recipes]


def test_the_count_is_lowered_to_what_all_permutations_may_have() -> None:
    """With a sentence."""
    plan = planned(prompt="{a, b, c, d, e} house", count=4)
    assert len(plan.recipes) == 15
    sentence = "Each of the 5 permutations has 3 pictures, because a request has at most 16."
    assert plan.notes == (sentence,)
    nine = planned(prompt="{a, b, c} {d, e, f}", count=2)
    assert len(nine.recipes) == 9 and "has 1 picture, because" in nine.notes[0]
    assert planned(prompt="{a, b} house", count=8).notes == ()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"prompt": "{a, b, c, d, e} {f, g, h, i}"}, "has 20 permutations; at most 16 pictures"),
        ({"prompt": "{a, b}" * 100}, "has millions of permutations"),
        ({"prompt": "a __animal__"}, "no wildcard “animal”. Did you mean `__animals__`"),
        ({"prompt": "{a, b}", "seed": -2}, "seed is -2"),
        ({"prompt": "{, a}"}, "prompt is empty"),
    ],
)
def test_impossible_templates_are_refused(options: dict[str, Any], sentence: str) -> None:
    """In one sentence."""
    with pytest.raises(Refused, match=sentence):
        planned(**options)


def test_names_of_the_starter_are_built_in() -> None:
    """So the documentation can name them."""
    assert set(STARTER_STYLES) < set(built_in_presets.STYLES)
    assert set(STARTER_WILDCARDS) < set(built_in_presets.WILDCARDS)
    assert styles.PLACE == "{prompt}"
