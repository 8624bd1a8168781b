"""The row classes and backends of the recipes of one plan; pure."""

from collections.abc import Sequence

import msgspec

from bot.domain import rules
from engine.contract import Backend, ModelCard, Recipe, card_for


def with_row_classes(recipes: Sequence[Recipe], models: Sequence[ModelCard]) -> tuple[Recipe, ...]:
    """The recipes with the backends of their models, and with their default row classes, one for
    each model and size.

    Raises Refused if one of the models is not offered.
    """
    rules.check_models(recipes, models)
    groups: dict[tuple[str, tuple[int, int]], list[int]] = {}
    for index, recipe in enumerate(recipes):
        groups.setdefault((recipe.model, recipe.size), []).append(index)
    result = list(recipes)
    for indexes in groups.values():
        card = card_for(recipes[indexes[0]], models)
        members = [
            msgspec.structs.replace(recipe, backend=backend_of(recipe, card))
            for recipe in (recipes[index] for index in indexes)
        ]
        classed = card.with_row_class(members)
        for index, recipe in zip(indexes, classed, strict=True):
            result[index] = recipe
    return tuple(result)


def backend_of(recipe: Recipe, card: ModelCard) -> Backend:
    """What runs new pictures like this: steered ones are run by torch."""
    return Backend.TORCH if recipe.is_steered else card.backend
