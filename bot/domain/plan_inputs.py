"""How fetched images complete the recipes of a plan; pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec

from bot.domain.blended_noise import BlendedPicture, with_noise_of
from bot.domain.job_input import InputRole, PlanInput
from bot.domain.plan import Edge, Relation
from bot.domain.row_classes import with_row_classes
from bot.errors import Refused
from bot.i18n import _
from engine.contract import Edit, ModelCard, Recipe, Source, card_for

_MAX_ASPECT_ERROR: Final = 0.02
"""A share, by which the aspect ratios of a mask and its picture may differ: sides are rounded."""


_Part = TypeVar("_Part", bound=msgspec.Struct)


class FetchedInput(NamedTuple):
    """An input that is stored."""

    plan_input: PlanInput
    image: str
    """The sha256 (hex) of its PNG."""
    size: tuple[int, int]
    """Width and height in pixels."""
    recipe: Recipe | None = None
    """Of the picture of this bot that the file shows, if it is one."""
    parent: str | None = None
    """The id of that picture, if it is stored."""


def edges_to_uploads(recipes: Sequence[Recipe], fetched: Sequence[FetchedInput]) -> list[Edge]:
    """From the pictures of a plan to those of this bot that its attachments show."""
    is_edit = isinstance(recipes[0].source, Edit)
    relations = {InputRole.BLEND: Relation.BLEND}
    if is_edit:
        relations[InputRole.PICTURE] = Relation.EDIT
    return [
        Edge(child, item.parent, relations[item.plan_input.role])
        for child in range(1, len(recipes) + 1)
        for item in fetched
        if item.parent is not None and item.plan_input.role in relations
    ]


def with_inputs(
    recipes: Sequence[Recipe], models: Sequence[ModelCard], fetched: Sequence[FetchedInput]
) -> tuple[Recipe, ...]:
    """The recipes with these images in the places of their placeholders.

    Raises Refused if a mask does not fit its picture, or the model of a recipe is not offered any
    more.
    """
    completed = tuple(recipes)
    for item in sorted(fetched, key=lambda item: item.plan_input.role.is_mask):
        completed = tuple(_completed(recipe, models, item) for recipe in completed)
        if item.plan_input.role.is_mask:
            _check_mask(item, fetched, completed)
    blended = _blended(recipes[0], fetched)
    completed = tuple(
        _with_size(with_noise_of(recipe, blended), _blended_size(recipe, models, fetched))
        for recipe in completed
    )
    return with_row_classes(completed, models)


def _with_size(recipe: Recipe, size: tuple[int, int]) -> Recipe:
    return msgspec.structs.replace(recipe, width=size[0], height=size[1])


def _blended_size(
    recipe: Recipe, models: Sequence[ModelCard], fetched: Sequence[FetchedInput]
) -> tuple[int, int]:
    """That of the pictures that a recipe mixes, if they have one and the user chose no other: the
    noise of a picture makes it again at its own size alone."""
    card = card_for(recipe, models)
    sizes = {
        card.size_for_init_image(*item.size) if item.recipe is None else item.recipe.size
        for item in fetched
        if item.plan_input.role is InputRole.BLEND and not item.plan_input.keep_size
    }
    size = sizes.pop() if len(sizes) == 1 else recipe.size
    return size if card.is_paintable(*size) else recipe.size


def _blended(recipe: Recipe, fetched: Sequence[FetchedInput]) -> list[BlendedPicture]:
    """The pictures of this bot that a recipe mixes; it still has their placeholders."""
    scales = {reference.image: reference.scale for reference in recipe.references}
    return [
        BlendedPicture(item.recipe, scales[item.plan_input.placeholder])
        for item in fetched
        if item.plan_input.role is InputRole.BLEND and item.recipe is not None
    ]


def _completed(recipe: Recipe, models: Sequence[ModelCard], item: FetchedInput) -> Recipe:
    placeholder, image = item.plan_input.placeholder, item.image
    if placeholder not in recipe.images:
        return recipe
    size = _completed_size(recipe, models, item.plan_input, item.size)
    return msgspec.structs.replace(
        recipe,
        source=_source(recipe.source, placeholder, image),
        controls=tuple(_with_image(control, placeholder, image) for control in recipe.controls),
        references=tuple(
            _with_image(reference, placeholder, image) for reference in recipe.references
        ),
        width=size[0],
        height=size[1],
    )


def fitted_size(
    recipes: Sequence[Recipe],
    models: Sequence[ModelCard],
    plan_input: PlanInput,
    size: tuple[int, int],
) -> tuple[int, int]:
    """The size, in pixels, of the pictures for which an image of this size is an input.

    The first of these decides it. Raises ValueError if its model is not offered any more.
    """
    recipe = next(recipe for recipe in recipes if plan_input.placeholder in recipe.images)
    return _completed_size(recipe, models, plan_input, size)


def _completed_size(
    recipe: Recipe, models: Sequence[ModelCard], plan_input: PlanInput, size: tuple[int, int]
) -> tuple[int, int]:
    if not plan_input.role.has_size or plan_input.keep_size:
        return recipe.size
    return card_for(recipe, models).size_for_init_image(*size)


def _source(source: Source, placeholder: str, image: str) -> Source:
    return _with_image(source, placeholder, image) if source.images else source


def _with_image(part: _Part, placeholder: str, image: str) -> _Part:
    """A part of a recipe with the image in place of its placeholder."""
    names = [name for name in ("image", "mask") if getattr(part, name, None) == placeholder]
    return msgspec.structs.replace(part, **dict.fromkeys(names, image))


def _check_mask(
    mask: FetchedInput, fetched: Sequence[FetchedInput], recipes: Sequence[Recipe]
) -> None:
    """Raise Refused unless the mask has the aspect ratio of what it masks."""
    sizes = [item.size for item in fetched if item.plan_input.role.has_size]
    width, height = sizes[0] if sizes else recipes[0].size
    mask_width, mask_height = mask.size
    difference = abs(mask_width * height - width * mask_height)
    if difference > _MAX_ASPECT_ERROR * max(mask_width * height, width * mask_height):
        raise Refused(
            _(
                "The mask has {mask_width}x{mask_height} pixels and the picture "
                "{width}x{height}; a mask must have the aspect ratio of its picture."
            ).format(mask_width=mask_width, mask_height=mask_height, width=width, height=height)
        )
