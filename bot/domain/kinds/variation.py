"""Variations: earlier pictures with small differences; pure."""

from typing import Final

import msgspec

from bot.domain.picture import Picture
from bot.domain.plan import Edge, JobKind, Plan, PlanContext, PlannedJob, Relation
from bot.domain.row_classes import with_row_classes
from bot.errors import Refused
from engine.contract import SEED_LIMIT, Recipe

VARIATION_STRENGTH: Final = 0.15
"""The share of the subseed's noise: enough to see a difference, little enough to keep the
composition."""
SUBTLE: Final = 0.1
STRONG: Final = 0.35
_COUNT: Final = 4
"""Variations of a single picture."""
_OFFSETS: Final = (0.06, -0.06, 0.1, -0.1, 0.14, -0.14, 0.18, -0.18)
_JITTER: Final = 0.02


class VariationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Variations of `PlanContext.parents`."""

    strength: float = VARIATION_STRENGTH
    """The share of the other noise."""


def plan(request: VariationRequest, context: PlanContext) -> Plan:
    """Four variations of one parent, or one of each of several.

    A first variation keeps the parent's seed and mixes in a share of the noise of
    subseeds seed, seed + 1, … (AUTOMATIC1111's "variation seed").

    A recipe has only one subseed, so a variation of a variation cannot add a third noise, and with
    another subseed it would be as close to its siblings as to its parent. So both seeds stay, and
    the strength of the subseed changes by 0.04 to 0.2. Such variations are closer to their parent
    than to its siblings, but differ less from each other.
    """
    if not context.parents:
        raise Refused("There are no pictures here to make variations of.")
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
    strength = job.recipes[0].subseed_strength or VARIATION_STRENGTH
    return plan(VariationRequest(strength=strength), context)


def _variation_of(picture: Picture, strength: float, seed: int, nth: int) -> Recipe:
    parent = picture.recipe
    if parent.subseed_strength == 0.0:
        return msgspec.structs.replace(
            parent, subseed=(seed + nth) % SEED_LIMIT, subseed_strength=strength
        )
    strength = _nudged_strength(parent.subseed_strength, seed, nth % _COUNT)
    return msgspec.structs.replace(parent, subseed_strength=strength)


def _nudged_strength(strength: float, seed: int, nth: int) -> float:
    """The strength plus an offset that depends on nth and a jitter that depends on the seed."""
    jitter = (seed % 1009 / 1008 * 2 - 1) * _JITTER
    candidates = (strength + offset + jitter for offset in _OFFSETS)
    return round([candidate for candidate in candidates if 0.0 < candidate <= 1.0][nth], 4)


KIND: Final = JobKind(
    name="variation",
    title="Variations: ",
    plan=plan,
    replan=replan,
    actions=("upscale", "reroll", "vary"),
)
