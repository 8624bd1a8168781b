"""How a job kind turns a request into recipes."""

import re
from typing import Any

import msgspec
import pytest

from bot.domain.job_input import PENDING_IMAGE, InputRole, PlanInput
from bot.domain.kinds import KINDS, film, imagine, kind_named, kinds_by_name, reroll, variation
from bot.domain.kinds.imagine import ImagineRequest, parse
from bot.domain.kinds.variation import VariationRequest
from bot.domain.plan import (
    INHERITED,
    Edge,
    Film,
    Grid,
    Plan,
    PlanContext,
    PlanDetails,
    PlannedJob,
    Relation,
)
from bot.domain.plan_inputs import FetchedInput, with_inputs
from bot.domain.row_classes import with_row_classes
from bot.errors import Refused
from engine.contract import (
    SEED_LIMIT,
    Backend,
    Capture,
    Img2Img,
    PromptFormat,
    Recipe,
    Sampler,
    Subseed,
    Work,
)
from engine.errors import UsageError
from engine.offline.job_file import JobSpec, to_command
from tests.fake_engine import MODEL
from tests.samples import picture, recipe


def test_the_names_of_kinds_are_unique_and_stay() -> None:
    """They are stored in the database and exported to users."""
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names)
    assert set(names) >= {"imagine", "reroll", "variation"}
    assert [kind_named(kind.name) for kind in KINDS] == list(KINDS)


def plain(planned: Plan) -> tuple[Recipe, ...]:
    """The recipes of a plan that enlarges nothing."""
    return tuple(work.recipe for work in planned.recipes)


def build(*, has_init_image: bool = False, **options: object) -> tuple[Recipe, ...]:
    """The recipes of a request to the flat model, with 5 as the random seed."""
    parsed = parse(**{"prompt": "a red house"} | options)
    request = ImagineRequest(options=parsed, sketch_url="https://a/b" if has_init_image else None)
    return plain(imagine.plan(request, PlanContext(models=(MODEL,), seed=5)))


def rerolled(*recipes: Recipe, nth: int | None = None) -> tuple[Recipe, ...]:
    """The recipes of a reroll with the random seed 50."""
    planned = PlannedJob(recipes=recipes, details=PlanDetails(), nth=nth)
    return plain(reroll.plan(planned, PlanContext(models=(MODEL,), seed=50)))


def varied(*parents: Recipe, seed: int = 9, strength: float = 0.15) -> tuple[Recipe, ...]:
    """The recipes of variations of pictures of these recipes."""
    pictures = tuple(picture(nth=nth, recipe=item) for nth, item in enumerate(parents, start=1))
    context = PlanContext(models=(MODEL,), seed=seed, parents=pictures)
    return plain(variation.plan(VariationRequest(strength=strength), context))


def test_unset_options_are_the_models_defaults() -> None:
    """There are four square pictures with the model's steps, guidance and sampler."""
    recipes = build()
    assert [item.seed for item in recipes] == [5, 6, 7, 8]
    assert recipes[0] == Recipe(
        model="flat",
        revision="0" * 40,
        prompt="a red house",
        prompt_format=PromptFormat.A1111,
        seed=5,
        steps=4,
        guidance=5.0,
        sampler=Sampler.EULER,
        width=64,
        height=64,
        row_class=8,
    )


def test_each_option_is_in_the_recipes() -> None:
    """These are prompt, aspect, seed, steps, guidance, sampler and count."""
    first, second = build(
        negative="rain", aspect="wide", seed=9, steps=3, guidance=1, sampler="ddim", count=2
    )
    assert (first.negative, first.seed, first.steps, first.guidance) == ("rain", 9, 3, 1.0)
    assert (first.sampler, first.row_class) == (Sampler.DDIM, 2)
    assert first.width > first.height
    assert second.seed == 10


def test_seeds_wrap_around() -> None:
    """The seed after the largest one is 0."""
    assert [item.seed for item in build(seed=SEED_LIMIT - 2)] == [
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
        ({"prompt": "x" * 5000}, "5000 characters; at most 1000 are allowed"),
        ({"negative": "x" * 5000}, "negative prompt has 5000 characters"),
        ({"seed": -2}, "seed is -2; it must be 0 to"),
        ({"seed": SEED_LIMIT}, "it must be 0 to 4294967295"),
        ({"seed": "seven"}, "is not valid"),
        ({"steps": 0}, "Steps is 0; it must be 1 to 150"),
        ({"steps": -1}, "it must be 1 to 150"),
        ({"guidance": -1}, "guidance is -1; it must be 0 to 30"),
        ({"guidance": float("nan")}, "it must be 0 to 30"),
        ({"sampler": "magic"}, "no sampler “magic”. Choose one of: pndm"),
        ({"aspect": "round"}, "no aspect “round”. Choose one of: square"),
        ({"count": 0}, "count is 0; it must be 1 to 16"),
        ({"strength": 0.5}, "needs a sketch"),
        ({"strength": 2.0}, "strength is 2; it must be above 0 and at most 1"),
    ],
)
def test_invalid_values_are_refused(options: dict[str, Any], words: str) -> None:
    """The sentence has the invalid value and the allowed ones."""
    with pytest.raises(Refused, match=words):
        build(**options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"negative": "rain", "seed": 9, "steps": 3, "guidance": 1, "sampler": "ddim", "count": 2},
        {"seed": SEED_LIMIT - 1, "count": 3},
        {"sampler": "magic"},
        {"sampler": "lcm", "steps": 50},
        {"prompt": " "},
        {"strength": 0.5},
        {"guidance": -1},
    ],
)
def test_the_command_line_makes_the_same_recipes(options: dict[str, Any]) -> None:
    """A request has the same recipes, or is refused in the same words, in Discord and in a file."""

    def of_file() -> tuple[Work, ...]:
        values = {"id": "a", "prompt": "a red house", "seed": 5} | options
        return to_command(msgspec.convert(values, JobSpec), [MODEL]).paint.recipes

    try:
        expected = build(**options)
    except Refused as error:
        with pytest.raises((ValueError, UsageError), match=re.escape(str(error))):
            of_file()
    else:
        assert of_file() == expected


@pytest.mark.parametrize("sampler", ["tcd", "magic"])
def test_a_sampler_that_the_model_does_not_work_with_is_refused(sampler: str) -> None:
    """The sentence names those that it works with."""
    limits = {name: 0 for name in Sampler if name not in (Sampler.EULER, Sampler.DDIM)}
    model = msgspec.structs.replace(MODEL, max_steps=limits)
    request = ImagineRequest(options=parse(prompt="a red house", sampler=sampler))
    with pytest.raises(Refused, match=r"Choose one of: ddim, euler\."):
        imagine.plan(request, PlanContext(models=(model,), seed=1))


@pytest.mark.parametrize("strength", [-0.1, 0.0, 1.01, float("nan"), float("inf")])
def test_the_strength_is_above_0_and_at_most_1(strength: float) -> None:
    """The check comes before the download of the sketch."""
    with pytest.raises(Refused, match="strength"):
        build(strength=strength, has_init_image=True)


def test_a_strength_without_steps_is_refused() -> None:
    """The check comes before the download of the sketch."""
    with pytest.raises(Refused, match="none of the 4 steps would run"):
        build(strength=0.1, has_init_image=True)


def test_a_sketch_determines_the_size_unless_an_aspect_is_set() -> None:
    """A wide sketch makes wide pictures."""
    recipes = build(has_init_image=True, strength=0.5)
    assert {item.source for item in recipes} == {Img2Img(PENDING_IMAGE, 0.5)}
    for keep, wide in ((False, True), (True, False)):
        sketch = PlanInput(role=InputRole.SKETCH, url="https://a/b", keep_size=keep)
        completed = with_inputs(recipes, [MODEL], [FetchedInput(sketch, "b" * 64, (640, 160))])
        assert [item.source for item in completed] == [Img2Img("b" * 64, 0.5)] * 4
        assert (completed[0].width > completed[0].height) is wide


def test_a_reroll_changes_the_seed_only() -> None:
    """The init image and the strength are kept."""
    before = [recipe(seed=n, source=Img2Img("b" * 64, 0.4), negative="rain") for n in (1, 2)]
    after = rerolled(*before)
    assert [item.seed for item in after] == [50, 51]
    for old, new in zip(before, after, strict=True):
        assert recipe_without(old, "seed") == recipe_without(new, "seed")


def test_a_reroll_has_the_default_row_class() -> None:
    """The row class that the load determined for the original is not kept."""
    before = [recipe(seed=n, row_class=16) for n in (1, 2)]
    assert {item.row_class for item in rerolled(*before)} == {8}


def recipe_without(item: Recipe, *names: str) -> dict[str, Any]:
    """All fields of the recipe except these."""
    return {name: getattr(item, name) for name in item.__struct_fields__ if name not in names}


def test_a_variation_mixes_in_other_noise() -> None:
    """The seed is the same; four subseeds are mixed in with a strength of 0.15."""
    parent = recipe(source=Img2Img("b" * 64, 0.4), row_class=2)
    variations = varied(parent, seed=SEED_LIMIT - 1)
    assert [item.subseeds for item in variations] == [
        (Subseed(seed, 0.15),) for seed in (SEED_LIMIT - 1, 0, 1, 2)
    ]
    for item in variations:
        assert item.row_class == 8
        changed = ("subseeds", "row_class")
        assert recipe_without(item, *changed) == recipe_without(parent, *changed)


def test_several_parents_get_one_variation_each() -> None:
    """They are in the order of the parents."""
    parents = [recipe(seed=1), recipe(seed=2)]
    variations = varied(*parents)
    assert [(item.seed, item.subseeds[0].seed) for item in variations] == [(1, 9), (2, 10)]


def test_a_variation_of_a_variation_keeps_all_noise() -> None:
    """The new subseed follows those of the parent."""
    parent = recipe(subseeds=(Subseed(3, 0.15), Subseed(4, 0.35)))
    variations = varied(parent)
    assert [item.subseeds for item in variations] == [
        (*parent.subseeds, Subseed(seed, 0.15)) for seed in range(9, 13)
    ]


def test_variations_of_variations_have_an_end() -> None:
    """The sentence says how many subseeds a picture may have."""
    parent = recipe(subseeds=(Subseed(3, 0.15),) * 64)
    with pytest.raises(Refused, match="65 subseeds; at most 64 are allowed"):
        varied(parent)


def test_two_kinds_of_one_name_are_refused() -> None:
    """A stored job would not say which of them it is."""
    with pytest.raises(ValueError, match="two job kinds of the name imagine"):
        kinds_by_name([imagine, imagine])


def test_pictures_with_the_same_seed_get_the_same_new_seed() -> None:
    """As the cells of a matrix, which stay comparable."""
    again = rerolled(recipe(seed=4, steps=2), recipe(seed=4, steps=3), recipe(seed=5))
    assert [(item.seed, item.steps) for item in again] == [(50, 2), (50, 3), (51, 4)]


def test_one_picture_of_a_job_can_be_rerolled() -> None:
    """It is counted from 1."""
    again = rerolled(recipe(seed=4, steps=2), recipe(seed=5, steps=3), nth=2)
    assert [(item.seed, item.steps) for item in again] == [(50, 3)]


def test_a_reroll_comes_from_the_pictures_of_its_job() -> None:
    """Those that were not painted have no edge."""
    planned = PlannedJob(
        recipes=(recipe(), recipe(seed=8)), details=PlanDetails(), pictures=(picture("j1", 2),)
    )
    context = PlanContext(models=(MODEL,), seed=5)
    assert reroll.plan(planned, context).edges == (Edge(2, "j1-2", Relation.REROLL),)


def test_a_reroll_of_variations_comes_from_their_parents_too() -> None:
    """So removing a picture concerns the rerolls of what was made of it."""
    edges = (Edge(1, "j0-1", Relation.VARIATION), Edge(2, "j0-2", Relation.REROLL))
    planned = PlannedJob(recipes=(recipe(), recipe(seed=8)), details=PlanDetails(), edges=edges)
    context = PlanContext(models=(MODEL,), seed=5)
    assert reroll.plan(planned, context).edges == edges[:1]


@pytest.mark.parametrize("relation", sorted(set(Relation) - INHERITED))
def test_a_reroll_neither_finishes_nor_shows_the_parents_of_its_job(relation: Relation) -> None:
    """It has other pixels; a draft can be finished only once, so it would be refused."""
    planned = PlannedJob(
        recipes=(recipe(),),
        details=PlanDetails(layout=Film()),
        edges=(Edge(1, "j0-1", relation),),
        pictures=(picture("j1", 1),),
    )
    again = reroll.plan(planned, PlanContext(models=(MODEL,), seed=5))
    assert again.edges == (Edge(1, "j1-1", Relation.REROLL),)
    assert again.layout == Grid()


def test_the_edges_of_variations_lead_to_their_parents() -> None:
    """Each of the four to the one parent, or each to its own."""
    one, two = picture("j1", 3), picture("j2", 1)
    for ids in (["j1-3"] * 4, ["j1-3", "j2-1"]):
        parents = (one, two) if "j2-1" in ids else (one,)
        context = PlanContext(models=(MODEL,), seed=5, parents=parents)
        edges = variation.plan(VariationRequest(), context).edges
        assert [(edge.child, edge.parent) for edge in edges] == list(enumerate(ids, start=1))
        assert {edge.relation for edge in edges} == {Relation.VARIATION}


def test_variations_of_variations_stay_as_strong_when_they_are_rerolled() -> None:
    """A strong one is not followed by a weak one."""
    planned = PlannedJob(recipes=varied(recipe(), strength=0.35), details=PlanDetails())
    context = PlanContext(models=(MODEL,), seed=5, parents=(picture(),))
    again = variation.replan(planned, context).recipes
    assert {item.subseeds[-1].share for item in again} == {0.35}


def test_row_classes_are_those_of_each_model_and_size() -> None:
    """A recipe of another size is no reason to compute the others in a larger batch."""
    sizes = [recipe(), recipe(width=128, height=128)]
    alone = [with_row_classes([item], [MODEL])[0].row_class for item in sizes]
    assert [item.row_class for item in with_row_classes(sizes, [MODEL])] == alone


def test_planned_pictures_have_the_backend_of_the_model() -> None:
    """Also if the picture that they are made of has another."""
    card = msgspec.structs.replace(MODEL, backends=(Backend.OPENVINO, Backend.TORCH))
    assert with_row_classes([recipe()], [card])[0].backend is Backend.OPENVINO
    old = recipe(backend=Backend.OPENVINO)
    assert with_row_classes([old], [MODEL])[0].backend is Backend.TORCH


def test_a_plan_with_a_model_that_is_not_offered_is_refused() -> None:
    """The sentence names it."""
    with pytest.raises(Refused, match="painted with the model old"):
        rerolled(recipe(model="old"))


def filmed(*parents: Recipe) -> Plan:
    """The plan of a film of pictures of these recipes."""
    pictures = tuple(picture(nth=nth, recipe=item) for nth, item in enumerate(parents, start=1))
    context = PlanContext(models=(MODEL,), seed=5, parents=pictures)
    return film.plan(film.FilmRequest(max_bytes=1000), context)


def test_a_film_repeats_its_picture() -> None:
    """Seed, row class and everything else stay, so that the pixels stay."""
    parent = recipe(model="flat", revision="0" * 40, seed=77, row_class=8)
    plan = filmed(parent)
    assert plan.recipes == (parent,)
    assert plan.layout == Film()
    assert plan.capture == Capture(film=True, film_bytes=1000)
    assert plan.edges == (Edge(1, picture(nth=1).id, Relation.FILM),)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "gone"}, "needs the model gone"),
        ({"revision": "2" * 40}, "needs the model flat"),
        ({"width": 512, "height": 512}, "too large for this model"),
        ({"sampler": Sampler.LCM, "steps": 60}, "takes at most 50 steps"),
        ({"clip_skip": 2}, "clip skip"),
        ({"guidance_embedding": True}, "guidance as an input"),
    ],
)
def test_a_picture_that_cannot_be_painted_again_has_no_film(
    changes: dict[str, Any], reason: str
) -> None:
    """The reason is for the user."""
    fields: dict[str, Any] = {"model": "flat", "revision": "0" * 40}
    with pytest.raises(Refused, match=reason):
        filmed(recipe(**fields | changes))


def test_a_film_needs_a_picture() -> None:
    """The picture may have been withheld."""
    with pytest.raises(Refused, match="no picture"):
        filmed()
