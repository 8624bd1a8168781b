"""Drafts: pictures with few steps; the full recipes are painted on request. Pure."""

import math
from typing import Final

import msgspec

from bot.domain.kinds import imagine, reroll
from bot.domain.plan import (
    STEPS_AXIS,
    JobKind,
    Matrix,
    Plan,
    PlanContext,
    PlannedJob,
)
from bot.errors import Refused
from bot.i18n import N_, _
from engine.contract import Change, Recipe

STEPS_SHARE: Final = 3
"""A draft has one of so many parts of the steps."""
MIN_STEPS: Final = 4
"""Fewer steps would show colours and no shapes."""


def plan(request: imagine.ImagineRequest, context: PlanContext) -> Plan:
    """The drafts of what /imagine would paint. Raises Refused, with a sentence for the user.

    If the recipes have so few steps that drafts would save nothing, the plan is that of /imagine.
    """
    return drafts_of(imagine.plan(request, context))


def drafts_of(full: Plan) -> Plan:
    """The drafts of a plan of recipes, or that plan if drafts would save nothing.

    Raises Refused, with a sentence for the user, for a matrix of several numbers of steps.
    """
    layout = full.layout
    if isinstance(layout, Matrix) and STEPS_AXIS in (layout.rows.name, layout.columns.name):
        raise Refused(
            _("A draft is painted with few steps, so the option steps cannot have several values.")
        )
    recipes = tuple(recipe.recipe for recipe in full.recipes)
    drafts = tuple(draft_recipe(recipe) for recipe in recipes)
    if drafts == recipes:
        return full
    return msgspec.structs.replace(full, recipes=drafts, full_recipes=recipes)


def replan(job: PlannedJob, context: PlanContext) -> Plan:
    """Drafts of the same recipes with other seeds."""
    if not job.details.full_recipes:
        return reroll.plan(job, context)
    drafts = reroll.plan(job, context)
    full = reroll.plan(msgspec.structs.replace(job, recipes=full_recipes(job)), context)
    recipes = tuple(recipe.recipe for recipe in full.recipes)
    return msgspec.structs.replace(drafts, full_recipes=recipes)


def full_recipes(job: PlannedJob) -> tuple[Recipe, ...]:
    """What the drafts of a job become with all steps."""
    return tuple(
        full_recipe(draft.recipe, full)
        for draft, full in zip(job.recipes, job.details.full_recipes, strict=True)
    )


def full_recipe(draft: Recipe, full: Recipe) -> Recipe:
    """The draft's recipe with the steps and prompts of the full one.

    The draft has the init image and its size, which are not known when a request is planned.
    """
    return msgspec.structs.replace(
        draft,
        prompt=full.prompt,
        negative=full.negative,
        guidance=full.guidance,
        sampler=full.sampler,
        steps=full.steps,
        changes=full.changes,
    )


def draft_recipe(recipe: Recipe) -> Recipe:
    """The recipe with a share of its steps; all other values, and so the noise, are the same.

    At least one step is run on its sketch. Changes take effect at the same share of the steps.
    """
    steps = max(MIN_STEPS, math.ceil(recipe.steps / STEPS_SHARE))
    while recipe.source.executed_steps(steps) < 1:
        steps += 1
    if steps >= recipe.steps:
        return recipe
    changes = _scaled(recipe, steps)
    return msgspec.structs.replace(recipe, steps=steps, changes=changes)


def _scaled(recipe: Recipe, steps: int) -> tuple[Change, ...]:
    """The changes of a recipe at the same share of this number of steps.

    Those that fall on one step become one; those that would come too late are left out.
    """
    last = recipe.source.executed_steps(steps) - 1
    by_step: dict[int, Change] = {}
    for change in recipe.changes:
        step = max(1, round(change.step * steps / recipe.steps))
        earlier = by_step.get(step, change)
        by_step[step] = Change(
            step=step,
            prompt=earlier.prompt if change.prompt is None else change.prompt,
            negative=earlier.negative if change.negative is None else change.negative,
            guidance=earlier.guidance if change.guidance is None else change.guidance,
            sampler=earlier.sampler if change.sampler is None else change.sampler,
        )
    return tuple(change for step, change in sorted(by_step.items()) if step <= last)


KIND: Final = JobKind(
    name="draft",
    title=N_("Draft: "),
    plan=plan,
    replan=replan,
    actions=("upscale", "finish", "reroll", "vary"),
)
