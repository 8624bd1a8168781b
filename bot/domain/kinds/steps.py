"""Steps: frames of how an earlier picture emerged, to choose a step to fork at; pure."""

from typing import Final

import msgspec

from bot.domain import rules
from bot.domain.plan import Edge, Film, JobKind, Plan, PlanContext, Relation
from bot.errors import Refused
from bot.i18n import N_, _
from engine.contract import Capture, Recipe, card_for

MAX_FRAMES: Final = 25
"""Options of a Discord menu."""


class StepsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The frames of the one picture of `PlanContext.parents`."""


def plan(request: StepsRequest, context: PlanContext) -> Plan:
    """The recipe of the picture as it is, so that its steps are the same to the bit.

    Raises Refused, with a sentence for the user.
    """
    if not context.parents:
        raise Refused(_("There is no picture here whose steps I could show."))
    parent = context.parents[0]
    recipe = parent.recipe.recipe  # that of an enlargement is the recipe of what it enlarges
    check_forkable(recipe)
    rules.check_models((recipe,), context.models)
    try:
        card_for(recipe, context.models).check_recipe(recipe)
    except ValueError as error:
        raise Refused(str(error)) from error
    return Plan(
        recipes=(recipe,),
        layout=Film(),
        capture=Capture(strip=MAX_FRAMES),
        edges=(Edge(1, parent.id, Relation.STEPS),),
    )


def check_forkable(recipe: Recipe) -> None:
    """Raise Refused unless the picture has a step to go back to."""
    if recipe.executed_steps < 2:  # before and after the change
        raise Refused(_("This picture has a single step, so there is none to go back to."))


KIND: Final = JobKind(
    name="steps", title=N_("Steps: "), plan=plan, actions=("forkstep",), keeps_row_classes=True
)
