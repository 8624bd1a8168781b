"""Finish: the full recipes of drafts; pure."""

from typing import Final

import msgspec

from bot.domain import rules
from bot.domain.kinds import draft
from bot.domain.plan import (
    PICTURE_ACTIONS,
    Edge,
    Grid,
    JobKind,
    Layout,
    Plan,
    PlanContext,
    Relation,
)
from bot.errors import Refused
from bot.i18n import N_, _
from engine.contract import Recipe

NO_DRAFT: Final = N_("This is no draft, so there is nothing to finish.")


class FinishRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The drafts `PlanContext.parents`, which are pictures of one job, with all steps."""

    full_recipes: tuple[Recipe, ...]
    """Of all pictures of the job."""
    prompt: str = ""
    """The user's own words, as in `PlanDetails`."""
    layout: Layout = Grid()
    """That of the drafts, which all of them together have again."""


def plan(request: FinishRequest, context: PlanContext) -> Plan:
    """One picture for each parent, with the bits that the full recipe alone would give.

    Raises Refused, with a sentence for the user.
    """
    if not request.full_recipes:
        raise Refused(_(NO_DRAFT))
    if not context.parents:
        raise Refused(_("There are no drafts here that can be finished."))
    recipes = tuple(
        draft.full_recipe(parent.recipe.recipe, request.full_recipes[parent.nth - 1])
        for parent in context.parents
    )
    rules.check_models(recipes, context.models)
    is_whole = len(recipes) == len(request.full_recipes)
    return Plan(
        recipes=recipes,
        layout=request.layout if is_whole else Grid(),
        prompt=request.prompt,
        edges=tuple(
            Edge(child, parent.id, Relation.FINISH)
            for child, parent in enumerate(context.parents, start=1)
        ),
    )


KIND: Final = JobKind(
    name="finish",
    title=N_("Finished: "),
    plan=plan,
    actions=PICTURE_ACTIONS,
    keeps_row_classes=True,
)
