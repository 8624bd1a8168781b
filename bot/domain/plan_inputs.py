"""How fetched attachments complete the recipes of a plan; pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from bot.domain.plan import PENDING_IMAGE, InputRole, PlanInput
from bot.domain.row_classes import with_row_classes
from engine.contract import Img2Img, ModelCard, Recipe, card_for

Size = tuple[int, int]


def with_input(
    recipes: Sequence[Recipe],
    models: Sequence[ModelCard],
    plan_input: PlanInput,
    image: str,
    size: Size,
) -> tuple[Recipe, ...]:
    """The recipes with an image of this sha256 and size in pixels, in the role of the input.

    Raises Refused if the model of a recipe is not offered any more.
    """
    complete = _BY_ROLE[plan_input.role]
    changed = [complete(recipe, models, plan_input, image, size) for recipe in recipes]
    return with_row_classes(changed, models)


def _with_sketch(
    recipe: Recipe, models: Sequence[ModelCard], plan_input: PlanInput, image: str, size: Size
) -> Recipe:
    if not isinstance(recipe.source, Img2Img) or recipe.source.image != PENDING_IMAGE:
        return recipe
    card = card_for(recipe, models)
    width, height = recipe.size if plan_input.keep_size else card.size_for_init_image(*size)
    source = msgspec.structs.replace(recipe.source, image=image)
    return msgspec.structs.replace(recipe, source=source, width=width, height=height)


_Complete = Callable[[Recipe, Sequence[ModelCard], PlanInput, str, Size], Recipe]
_BY_ROLE: Final[Mapping[InputRole, _Complete]] = {InputRole.SKETCH: _with_sketch}
