"""The plans of /explore and /compare."""

import msgspec
import pytest

from bot.domain.kinds import compare, draft, explore, reroll
from bot.domain.kinds.compare import CompareRequest
from bot.domain.kinds.explore import ExploreRequest
from bot.domain.kinds.imagine import parse
from bot.domain.limits import LIMITS
from bot.domain.plan import Matrix, Plan, PlanContext, PlannedJob
from bot.errors import Refused
from engine.contract import Distilled, Sampler
from tests.fake_engine import MODEL

OTHER = msgspec.structs.replace(MODEL, name="models/other", revision="1" * 40)
CONTEXT = PlanContext(models=(MODEL, OTHER), seed=5)


def explored(preset: str | None = None, context: PlanContext = CONTEXT, /, **values: str) -> Plan:
    """The plan of a request with these values."""
    request = ExploreRequest(prompt="a red house", values=values, preset=preset)
    return explore.plan(request, context)


def layout(plan: Plan) -> Matrix:
    """The layout of a plan, which is a matrix."""
    assert isinstance(plan.layout, Matrix)
    return plan.layout


SCHEDULE = "a [cat:dog:0.5]"


def test_brackets_are_words_on_request() -> None:
    """As in /imagine; else they are a schedule."""
    for raw, prompt, changes in ((True, SCHEDULE, 0), (False, "a cat", 1)):
        request = ExploreRequest(prompt=SCHEDULE, values={"guidance": "3,4"}, raw=raw)
        options = parse(prompt=SCHEDULE, raw=raw)
        for plan in (
            explore.plan(request, CONTEXT),
            compare.plan(CompareRequest(options=options), CONTEXT),
        ):
            recipes = [recipe.recipe for recipe in plan.recipes]
            assert {(recipe.prompt, len(recipe.changes)) for recipe in recipes} == {
                (prompt, changes)
            }


def test_a_matrix_of_drafts_has_the_full_recipes() -> None:
    """Except one of several numbers of steps, as drafts have few."""
    full = explored(guidance="3,5", steps="30")
    drafts = draft.drafts_of(full)
    assert [recipe.recipe.steps for recipe in drafts.recipes] == [10, 10]
    assert (drafts.full_recipes, drafts.layout) == (full.recipes, full.layout)
    for steps in (explored(steps="12,24"), explored(guidance="3,5", steps="12,24")):
        with pytest.raises(Refused, match="the option steps cannot have several values"):
            draft.drafts_of(steps)


def test_one_axis_is_a_row_of_pictures() -> None:
    """They have the same seed, and differ in that setting alone."""
    plan = explored(steps="12,24,38,50", guidance="3")
    assert [recipe.steps for recipe in plan.recipes] == [12, 24, 38, 50]
    assert {(recipe.seed, recipe.guidance) for recipe in plan.recipes} == {(5, 3.0)}
    assert layout(plan).columns.name == "steps"
    assert layout(plan).columns.labels == ("12", "24", "38", "50")
    assert layout(plan).rows.labels == ("",)


def test_two_axes_are_rows_and_columns() -> None:
    """The pictures are row by row."""
    plan = explored(sampler="euler,ddim", steps="2..6:2", seed="9")
    assert layout(plan).rows.name == "sampler"
    assert layout(plan).columns.name == "steps"
    assert [(recipe.sampler, recipe.steps) for recipe in plan.recipes] == [
        (sampler, steps) for sampler in (Sampler.EULER, Sampler.DDIM) for steps in (2, 4, 6)
    ]
    assert {recipe.seed for recipe in plan.recipes} == {9}


def test_a_random_seed_is_the_same_for_all() -> None:
    """-1 is any seed, as in /imagine."""
    assert {recipe.seed for recipe in explored(steps="2,3", seed="-1").recipes} == {5}


def test_the_preset_steps() -> None:
    """12, 24, 38 and 50, also against another setting."""
    assert [recipe.steps for recipe in explored("steps").recipes] == [12, 24, 38, 50]
    assert len(explored("steps", guidance="2,4").recipes) == 8


def test_the_preset_steps_of_a_distilled_model() -> None:
    """Quarters of what it takes, if that is less."""
    for most, steps in ((12, [3, 6, 9, 12]), (10, [3, 5, 8, 10]), (150, [12, 24, 38, 50])):
        distilled = Distilled(name="Turbo", most_steps=most, most_guidance=3.0)
        few = msgspec.structs.replace(MODEL, distilled=distilled, guidance=1.0)
        plan = explored("steps", PlanContext(models=(few,), seed=5))
        assert [recipe.steps for recipe in plan.recipes] == steps


def test_the_preset_samplers() -> None:
    """All that the model takes."""
    few = msgspec.structs.replace(MODEL, max_steps={sampler: 0 for sampler in list(Sampler)[3:]})
    plan = explored("samplers", PlanContext(models=(few,), seed=5))
    assert [recipe.sampler for recipe in plan.recipes] == list(few.samplers)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "Give one or two options several values"),
        ({"steps": "12"}, "Give one or two options several values"),
        ({"steps": "abc"}, "The option steps has the value “abc”, which is no whole number."),
        ({"steps": "1,2", "guidance": "1,2", "seed": "1,2"}, "steps, guidance, seed have several"),
        ({"steps": "1..150", "guidance": "1..30"}, "4,500 pictures; at most 16 are allowed"),
        ({"seed": "0..4294967295"}, "4,294,967,296 pictures; at most 16"),
        ({"steps": "0,12"}, "Steps is 0; it must be 1 to 150"),
        ({"steps": "12,24,12"}, "steps has the value 12 more than once"),
        ({"steps": "4.5,6"}, "“4.5”, which is no whole number"),
        ({"guidance": "4,31"}, "guidance is 31; it must be 0 to 30"),
        ({"sampler": "euler,magic"}, "no sampler “magic”. Choose one of"),
        ({"sampler": "lcm,euler", "steps": "40,60"}, "lcm takes at most 50 steps"),
        ({"strength": "0.2,0.4"}, "needs a sketch"),
        ({"seed": "1,4294967296"}, "seed is 4294967296"),
        ({"seed": "-1,5"}, "seed has -1, which is any seed"),
        ({"preset": "colours"}, "no preset “colours”. Choose one of: steps, samplers"),
        ({"preset": "steps", "steps": "3"}, "preset steps has values for the option steps"),
        ({"size": "1,2"}, "no option size"),
    ],
)
def test_what_cannot_be_explored_is_refused(values: dict[str, str], words: str) -> None:
    """The sentence says which value, or how many pictures that would be."""
    preset = values.pop("preset", None)
    with pytest.raises(Refused, match=words):
        explored(preset, CONTEXT, **values)


def test_the_operator_limits_the_pictures() -> None:
    """A matrix has no more than any other request."""
    limits = msgspec.structs.replace(LIMITS, max_pictures=3)
    context = PlanContext(models=(MODEL,), seed=5, limits=limits)
    with pytest.raises(Refused, match="4 pictures; at most 3"):
        explored("steps", context)


def compared(**values: object) -> Plan:
    """The plan of a comparison."""
    names = {name: values.pop(name, None) for name in ("models", "samplers")}
    options = parse(**{"prompt": "a red house"} | values)
    return compare.plan(msgspec.convert({**names, "options": options}, CompareRequest), CONTEXT)


def test_models_are_compared_on_the_same_seeds() -> None:
    """Three pictures in the row of each model."""
    plan = compared(models="flat, other")
    assert [(recipe.model, recipe.seed) for recipe in plan.recipes] == [
        (model, seed) for model in ("flat", "models/other") for seed in (5, 6, 7)
    ]
    assert layout(plan).rows.labels == ("flat", "other")
    assert layout(plan).columns.labels == ("5", "6", "7")


def test_all_models_are_compared_by_default() -> None:
    """If there is only one, the refusal says which samplers there are."""
    plan = compared(count=1)
    assert [recipe.model for recipe in plan.recipes] == ["flat", "models/other"]
    assert layout(plan).rows.name == "model"
    request = CompareRequest(options=parse(prompt="a red house"))
    with pytest.raises(Refused, match="The samplers are: pndm"):
        compare.plan(request, PlanContext(models=(MODEL,), seed=5))


def test_samplers_are_compared() -> None:
    """With the options of /imagine for all of them."""
    plan = compared(samplers="euler,ddim", count=2, seed=8, steps=3, negative="rain")
    assert [(recipe.sampler, recipe.seed) for recipe in plan.recipes] == [
        (Sampler.EULER, 8),
        (Sampler.EULER, 9),
        (Sampler.DDIM, 8),
        (Sampler.DDIM, 9),
    ]
    assert {(recipe.steps, recipe.negative) for recipe in plan.recipes} == {(3, "rain")}


def test_models_and_samplers_are_combined() -> None:
    """A row says both."""
    plan = compared(models="flat,other", samplers="euler,ddim", count=1)
    assert layout(plan).rows.labels == (
        "flat · euler",
        "flat · ddim",
        "other · euler",
        "other · ddim",
    )
    assert layout(plan).rows.name == "model · sampler"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"models": ""}, "at least two models or samplers"),
        ({"models": "flat"}, "The models are: flat, other"),
        ({"models": "flat,elsewhere"}, "no model “elsewhere”"),
        ({"models": "flat,Flat"}, "two names of the same model"),
        ({"samplers": "euler,euler"}, "samplers has “euler” more than once"),
        ({"samplers": "euler,magic"}, "no sampler “magic”"),
        ({"samplers": ",".join([*Sampler][:17])}, "17 pictures; at most 16"),
        ({"samplers": "euler,ddim", "count": 0}, "count is 0; it must be at least 1"),
        ({"samplers": "euler,ddim", "seed": 2**32}, "seed is 4294967296; it must be 0 to"),
        ({"samplers": "euler,ddim", "seed": -2}, "seed is -2; it must be 0 to"),
    ],
)
def test_what_cannot_be_compared_is_refused(values: dict[str, object], words: str) -> None:
    """The sentence is for the user."""
    with pytest.raises(Refused, match=words):
        compared(**values)


def test_a_rerolled_matrix_has_the_labels_of_its_new_seeds() -> None:
    """The cells stay comparable: equal seeds are replaced by equal seeds."""
    compared_plan = compared(samplers="euler,ddim", count=2, seed=8)
    seeds_in_rows = explored(seed="8,9,10", steps="2,3")
    for plan in (compared_plan, seeds_in_rows):
        planned = PlannedJob(recipes=plan.recipes, details=plan.details)
        again = reroll.plan(planned, PlanContext(models=(MODEL,), seed=50))
        rows, columns = layout(again).rows, layout(again).columns
        width = len(columns.labels)
        axis, first = (
            (rows, again.recipes[::width])
            if rows.name == "seed"
            else (columns, again.recipes[:width])
        )
        assert axis.name == "seed"
        assert axis.labels == tuple(str(recipe.seed) for recipe in first)
        assert [recipe.steps for recipe in again.recipes] == [r.steps for r in plan.recipes]
    assert {recipe.seed for recipe in again.recipes} == {50, 51, 52}


def test_messages_have_the_words_that_were_typed() -> None:
    """A prompt may have a schedule, of which each recipe has the first words."""
    schedule = "a [red:blue:0.5] house"
    request = ExploreRequest(prompt=schedule, values={"steps": "4,8"})
    explored_plan = explore.plan(request, CONTEXT)
    for plan in (explored_plan, compared(samplers="euler,ddim", prompt=schedule)):
        assert plan.prompt == schedule
        assert {recipe.prompt for recipe in plan.recipes} == {"a red house"}
    assert explored(steps="4,8").prompt == ""
