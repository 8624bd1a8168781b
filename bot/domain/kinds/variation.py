"""Variations: earlier pictures with small differences; pure."""

from typing import Final

import msgspec

from bot.domain.picture import Picture
from bot.domain.plan import PICTURE_ACTIONS, Edge, JobKind, Plan, PlanContext, PlannedJob, Relation
from bot.domain.row_classes import with_row_classes
from bot.errors import Refused
from bot.i18n import N_, _
from engine.contract import SEED_LIMIT, Recipe, Subseed

VARIATION_STRENGTH: Final = 0.15
"""The share of the subseed's noise: enough to see a difference, little enough to keep the
composition."""
SUBTLE: Final = 0.1
STRONG: Final = 0.35
_COUNT: Final = 4
"""Variations of a single picture."""


class VariationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Variations of `PlanContext.parents`."""

    strength: float = VARIATION_STRENGTH
    """The share of the other noise."""


def plan(request: VariationRequest, context: PlanContext) -> Plan:
    """Four variations of one parent, or one of each of several.

    A variation keeps the noise of its parent and mixes in a share of the noise of the subseeds
    seed, seed + 1, … (AUTOMATIC1111's "variation seed"). Raises Refused, with a sentence for the
    user, if there is no parent, or one has too many subseeds.
    """
    if not context.parents:
        raise Refused(_("There are no pictures here to make variations of."))
    parents = context.parents if len(context.parents) > 1 else context.parents * _COUNT
    recipes = [
        _variation_of(parent, request.strength, context.seed, nth)
        for nth, parent in enumerate(parents)
    ]
    return Plan(
        recipes=with_row_classes(recipes, context.models),
        edges=tuple(
            Edge(child, parent.id, Relation.VARIATION)
            for child, parent in enumerate(parents, start=1)
        ),
    )


def replan(job: PlannedJob, context: PlanContext) -> Plan:
    """Other variations of the same parents, as strong as before."""
    subseeds = job.recipes[0].subseeds
    return plan(
        VariationRequest(strength=subseeds[-1].share if subseeds else VARIATION_STRENGTH), context
    )


def _variation_of(picture: Picture, strength: float, seed: int, nth: int) -> Recipe:
    parent = picture.recipe.recipe
    subseed = Subseed((seed + nth) % SEED_LIMIT, strength)
    try:
        return msgspec.structs.replace(parent, subseeds=(*parent.subseeds, subseed))
    except ValueError as error:
        raise Refused(str(error)) from error


KIND: Final = JobKind(
    name="variation",
    title=N_("Variations: "),
    plan=plan,
    replan=replan,
    actions=PICTURE_ACTIONS,
)
