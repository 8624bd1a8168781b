"""Drafts of few steps, and the full recipes that finish them."""

import msgspec
import pytest

from bot.domain.kinds import draft, finish, imagine
from bot.domain.plan import Edge, PlanContext, PlannedJob, Relation
from bot.errors import Refused
from engine.contract import Change, Img2Img
from tests.fake_engine import MODEL
from tests.samples import picture, recipe

CONTEXT = PlanContext(models=(MODEL,), seed=5)


def request(sketch_url: str | None = None, **options: object) -> imagine.ImagineRequest:
    """A request for drafts."""
    values = {"prompt": "a red house", "steps": 20} | options
    return imagine.ImagineRequest(options=imagine.parse(**values), sketch_url=sketch_url)


def test_a_draft_has_a_third_of_the_steps() -> None:
    """All other values are those of the full recipes, which the plan has too."""
    plan, full = draft.plan(request(), CONTEXT), imagine.plan(request(), CONTEXT)
    assert [recipe.steps for recipe in plan.recipes] == [7] * 4
    assert plan.full_recipes == full.recipes
    with_all_steps = tuple(msgspec.structs.replace(recipe, steps=20) for recipe in plan.recipes)
    assert with_all_steps == full.recipes


@pytest.mark.parametrize(
    ("steps", "expected"), [(1, 1), (4, 4), (5, 4), (12, 4), (13, 5), (150, 50)]
)
def test_a_draft_has_at_least_four_steps(steps: int, expected: int) -> None:
    """And never more than the full recipe."""
    assert draft.draft_recipe(recipe(steps=steps)).steps == expected


def test_a_draft_that_would_save_nothing_is_the_picture_itself() -> None:
    """There is nothing to finish then."""
    plan = draft.plan(request(steps=4), CONTEXT)
    assert plan == imagine.plan(request(steps=4), CONTEXT)
    assert plan.full_recipes == ()


def test_changes_are_at_the_same_share_of_the_steps() -> None:
    """Those that fall on one step become one; those that would come after the last are left out."""
    changes = (
        Change(step=6, prompt="a dog"),
        Change(step=7, guidance=3.0),
        Change(step=15, prompt="a cat"),
        Change(step=20, negative="fog"),
    )
    full = recipe(steps=21, changes=changes)
    draft_of_it = draft.draft_recipe(full)
    assert (draft_of_it.steps, draft_of_it.changes) == (
        7,
        (Change(step=2, prompt="a dog", guidance=3.0), Change(step=5, prompt="a cat")),
    )
    assert draft.full_recipe(draft_of_it, full) == full


def test_a_draft_of_a_sketch_runs_at_least_one_step() -> None:
    """Even if the strength is low."""
    plan = draft.plan(request("https://x/sketch.png", steps=20, strength=0.1), CONTEXT)
    assert [recipe.steps for recipe in plan.recipes] == [10] * 4


def test_drafts_are_rerolled_as_drafts() -> None:
    """Both the drafts and their full recipes have new seeds."""
    first = draft.plan(request(seed=1), CONTEXT)
    job = PlannedJob(recipes=first.recipes, details=first.details)
    again = draft.replan(job, CONTEXT)
    assert [(recipe.seed, recipe.steps) for recipe in again.recipes] == [
        (5 + n, 7) for n in range(4)
    ]
    assert [(recipe.seed, recipe.steps) for recipe in again.full_recipes] == [
        (5 + n, 20) for n in range(4)
    ]


def test_one_draft_is_rerolled_as_a_draft() -> None:
    """Its full recipe has the same new seed."""
    first = draft.plan(request(seed=1), CONTEXT)
    job = PlannedJob(recipes=first.recipes, details=first.details, nth=3)
    again = draft.replan(job, CONTEXT)
    assert [(recipe.seed, recipe.steps) for recipe in again.recipes] == [(5, 7)]
    assert [(recipe.seed, recipe.steps) for recipe in again.full_recipes] == [(5, 20)]


def test_a_finished_picture_has_the_full_recipe() -> None:
    """With the init image of the draft, which is only known after the request; the draft is its
    parent."""
    planned = draft.plan(request(seed=1), CONTEXT)
    drafts = tuple(
        picture(nth=nth, recipe=msgspec.structs.replace(recipe, source=Img2Img("a" * 64, 0.5)))
        for nth, recipe in enumerate(planned.recipes, start=1)
    )
    chosen = msgspec.structs.replace(CONTEXT, parents=drafts[2:])
    plan = finish.plan(finish.FinishRequest(full_recipes=planned.full_recipes), chosen)
    assert plan.recipes == tuple(
        msgspec.structs.replace(recipe, source=Img2Img("a" * 64, 0.5))
        for recipe in planned.full_recipes[2:]
    )
    assert plan.edges == tuple(
        Edge(child, parent.id, Relation.FINISH) for child, parent in enumerate(drafts[2:], start=1)
    )


def test_only_drafts_can_be_finished() -> None:
    """And only those that can be seen and whose model is loaded."""
    with pytest.raises(Refused, match="no draft"):
        finish.plan(finish.FinishRequest(full_recipes=()), CONTEXT)
    full = finish.FinishRequest(full_recipes=(recipe(steps=20),))
    with pytest.raises(Refused, match="no drafts here"):
        finish.plan(full, CONTEXT)
    old = picture(nth=1, recipe=recipe(revision="1" * 40))
    with pytest.raises(Refused, match="I paint with flat"):
        finish.plan(full, msgspec.structs.replace(CONTEXT, parents=(old,)))
