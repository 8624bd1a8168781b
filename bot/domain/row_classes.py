"""The row classes of the recipes of one plan; pure."""

from collections.abc import Sequence

from bot.domain import rules
from engine.contract import ModelCard, Recipe, card_for


def with_row_classes(recipes: Sequence[Recipe], models: Sequence[ModelCard]) -> tuple[Recipe, ...]:
    """The recipes with the default row classes of their models, one for each model and size.

    Raises Refused if one of the models is not offered.
    """
    rules.check_models(recipes, models)
    groups: dict[tuple[str, tuple[int, int]], list[int]] = {}
    for index, recipe in enumerate(recipes):
        groups.setdefault((recipe.model, recipe.size), []).append(index)
    result = list(recipes)
    for indexes in groups.values():
        members = [recipes[index] for index in indexes]
        classed = card_for(members[0], models).with_row_class(members)
        for index, recipe in zip(indexes, classed, strict=True):
            result[index] = recipe
    return tuple(result)
