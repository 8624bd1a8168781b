"""Detail: an earlier picture at 2 times its size, painted over in tiles; pure."""

from typing import Final

import msgspec

from bot.domain import rules
from bot.domain.kinds.upscale import enlarged, enlargement, enlarging
from bot.domain.plan import PICTURE_ACTIONS, JobKind, Plan, PlanContext, Relation
from bot.errors import Refused
from bot.i18n import N_
from engine.contract import (
    DETAIL_SCALE,
    ROW_CLASSES,
    Detail,
    card_for,
    check_steering,
    detail_strength,
    tiling,
    with_row_class,
)


class DetailRequest(msgspec.Struct, frozen=True):
    """The picture `PlanContext.parents`, enlarged and painted over."""

    strength: float | None = None
    """By default `detail_strength`."""


def plan(request: DetailRequest, context: PlanContext) -> Plan:
    """One picture. Raises Refused, with a sentence for the user."""
    parent, upscaler = enlarged(context, DETAIL_SCALE)
    recipe = parent.recipe.recipe
    rules.check_models([recipe], context.models)
    card = card_for(recipe, context.models)
    strength = request.strength
    if strength is None:
        strength = detail_strength(card.native_size, recipe.steps, card.rounding)
    fields = enlargement(parent, upscaler, DETAIL_SCALE)
    tiles = tiling(card.native_size, card.size_multiple)._asdict()
    try:
        work = Detail(
            **fields,
            **tiles,
            strength=strength,
            rounding=card.rounding,
            row_class=ROW_CLASSES[0],
            references=recipe.references,
        )
        check_steering(work.tile_recipe(), card)
    except ValueError as error:
        raise Refused(str(error)) from error
    recipes = card.with_row_class([work.tile_recipe()] * len(work.tiles))
    return enlarging(with_row_class(work, recipes[0].row_class), parent, Relation.DETAIL)


KIND: Final = JobKind(name="detail", title=N_("Detailed: "), plan=plan, actions=PICTURE_ACTIONS)
