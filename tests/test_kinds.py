"""From what a person asks to recipes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.kinds import imagine, reroll, variation
from bot.domain.kinds.imagine import parse, with_init_image
from bot.errors import Refused
from engine.contract import SEED_LIMIT, Recipe, Sampler
from tests.fake_engine import MODEL
from tests.samples import recipe


def draft(*, sketched: bool = False, **options: object) -> tuple[Recipe, ...]:
    """The recipes of a request on the flat model, with 5 as the drawn seed."""
    ask = parse(**{"prompt": "a red house"} | options)
    return imagine.build_recipes(ask, MODEL, seed=5, has_init_image=sketched)


def test_the_model_decides_what_nobody_said() -> None:
    """Only a prompt: four square pictures with the model's own steps, guidance and sampler."""
    drafted = draft()
    assert [one.seed for one in drafted] == [5, 6, 7, 8]
    assert drafted[0] == Recipe(
        model="flat",
        revision="0" * 40,
        prompt="a red house",
        seed=5,
        steps=4,
        guidance=5.0,
        sampler=Sampler.EULER,
        width=64,
        height=64,
        row_class=8,
    )


def test_what_was_said_is_done() -> None:
    """Each option is in the recipes."""
    one, two = draft(
        negative="rain", aspect="wide", seed=9, steps=3, guidance=1, sampler="ddim", count=2
    )
    assert (one.negative, one.seed, one.steps, one.guidance) == ("rain", 9, 3, 1.0)
    assert (one.sampler, one.row_class) == (Sampler.DDIM, 2)
    assert one.width > one.height
    assert two.seed == 10


def test_seeds_wrap_around() -> None:
    """After the largest seed comes 0."""
    assert [one.seed for one in draft(seed=SEED_LIMIT - 2)] == [
        SEED_LIMIT - 2,
        SEED_LIMIT - 1,
        0,
        1,
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"prompt": "   "}, "prompt is empty"),
        ({"prompt": "x" * 5000}, "5000 characters; 1000 are allowed"),
        ({"negative": "x" * 5000}, "negative prompt has 5000 characters"),
        ({"seed": -1}, "seed is -1; it must be 0 to"),
        ({"seed": SEED_LIMIT}, "it must be 0 to 4294967295"),
        ({"seed": "seven"}, "is not valid"),
        ({"steps": 0}, "Steps is 0; it must be 1 to 150"),
        ({"steps": 10**9}, "it must be 1 to 150"),
        ({"guidance": 31}, "guidance is 31; it must be 0 to 30"),
        ({"guidance": float("nan")}, "it must be 0 to 30"),
        ({"sampler": "magic"}, "no sampler “magic”. These are: pndm"),
        ({"sampler": "lcm", "steps": 51}, "lcm takes at most 50 steps; this asks for 51"),
        ({"aspect": "round"}, "no aspect “round”. These are: square"),
        ({"count": 0}, "count is 0; it must be 1 to 4"),
        ({"count": 5}, "it must be 1 to 4"),
        ({"strength": 0.5}, "attach a sketch"),
        ({"strength": 2.0}, "strength is 2; it must be above 0 and at most 1"),
    ],
)
def test_a_bad_value_gets_a_sentence(options: dict[str, Any], words: str) -> None:
    """The refusal says what was wrong and what is allowed."""
    with pytest.raises(Refused, match=words):
        draft(**options)


@pytest.mark.parametrize("strength", [-0.1, 0.0, 1.01, float("nan"), float("inf")])
def test_a_sketchs_strength_is_above_0_and_at_most_1(strength: float) -> None:
    """It is refused before the sketch is fetched."""
    with pytest.raises(Refused, match="strength"):
        draft(strength=strength, sketched=True)


def test_a_strength_that_leaves_nothing_to_paint_is_refused() -> None:
    """Before the sketch is fetched."""
    with pytest.raises(Refused, match="leaves nothing to paint in 4 steps"):
        draft(strength=0.1, sketched=True)


def test_a_sketch_chooses_the_shape_unless_the_person_does() -> None:
    """A wide sketch makes wide pictures; with an aspect it does not."""
    drafted = draft(sketched=True)
    for keep, wide in ((False, True), (True, False)):
        made = with_init_image(
            drafted, MODEL, source="b" * 64, strength=0.5, size=(640, 160), keep_size=keep
        )
        assert [one.source for one in made] == ["b" * 64] * 4
        assert (made[0].width > made[0].height) is wide


def test_a_reroll_repeats_everything_but_the_seed() -> None:
    """Also the sketch and its strength."""
    before = [recipe(seed=n, source="b" * 64, strength=0.4, negative="rain") for n in (1, 2)]
    after = reroll.reroll(before, MODEL, seed=50)
    assert [one.seed for one in after] == [50, 51]
    for old, new in zip(before, after, strict=True):
        assert recipe_without(old, "seed") == recipe_without(new, "seed")


def test_a_reroll_is_a_request_like_any_other() -> None:
    """In which batches the pictures were painted before, by load, does not count."""
    before = [recipe(seed=n, row_class=16) for n in (1, 2)]
    assert {one.row_class for one in reroll.reroll(before, MODEL, seed=50)} == {8}


def recipe_without(one: Recipe, *names: str) -> dict[str, Any]:
    """All values but these."""
    return {name: getattr(one, name) for name in one.__struct_fields__ if name not in names}


def test_a_variation_keeps_all_but_some_of_the_noise() -> None:
    """Same seed, four subseeds, 0.15 of their noise."""
    parent = recipe(source="b" * 64, strength=0.4, row_class=2)
    varied = variation.vary([parent], MODEL, seed=SEED_LIMIT - 1)
    assert [one.subseed for one in varied] == [SEED_LIMIT - 1, 0, 1, 2]
    for one in varied:
        assert one.subseed_strength == 0.15
        assert one.row_class == 8
        changed = ("subseed", "subseed_strength", "row_class")
        assert recipe_without(one, *changed) == recipe_without(parent, *changed)


def test_several_parents_get_one_variation_each() -> None:
    """Variation n is like picture n."""
    parents = [recipe(seed=1), recipe(seed=2)]
    varied = variation.vary(parents, MODEL, seed=9)
    assert [(one.seed, one.subseed) for one in varied] == [(1, 9), (2, 10)]


@given(st.floats(0.0001, 1.0), st.integers(0, SEED_LIMIT - 1))
def test_a_variation_of_a_variation_stays_near_it(share: float, chance: int) -> None:
    """Same seed and subseed; four different shares, none its own and none far off."""
    parent = recipe(subseed=3, subseed_strength=share)
    varied = variation.vary([parent], MODEL, seed=chance)
    shares = [one.subseed_strength for one in varied]
    assert len(set(shares)) == 4
    assert all(0.0 <= one <= 1.0 for one in shares)
    assert all(0.03 < abs(one - share) < 0.21 for one in shares)
    assert {(one.seed, one.subseed) for one in varied} == {(7, 3)}
