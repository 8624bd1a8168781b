"""Recipes of earlier pictures, painted again as they are; pure."""

from typing import Final

import msgspec

from bot.domain import recipe_offer
from bot.domain.plan import PICTURE_ACTIONS, JobKind, Plan, PlanContext
from engine.contract import Work


class RecipeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Recipes from a file."""

    recipes: tuple[Work, ...]
    images: frozenset[str] = frozenset()
    """The digests of the input images that exist."""


def plan(request: RecipeRequest, context: PlanContext) -> Plan:
    """The same recipes, with their row classes, so that the pictures have the same pixels.

    Raises Refused, with a sentence for the user.
    """
    return recipe_offer.plan_again(request.recipes, context, request.images)


KIND: Final = JobKind(name="recipe", plan=plan, actions=PICTURE_ACTIONS, keeps_row_classes=True)
