"""/imagine: recipes from the options of the command; pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from bot.domain.job import Sketch
from bot.domain.plan import JobKind
from bot.errors import Refused
from engine.contract import (
    ModelCard,
    PictureOptions,
    Recipe,
    make_recipes,
    size_for_aspect,
    size_for_init_image,
)

KIND: Final = JobKind(name="imagine")
ASPECTS: Final = {
    "square": 1.0,
    "portrait": 2 / 3,
    "landscape": 3 / 2,
    "tall": 9 / 16,
    "wide": 16 / 9,
}
"""Width / height by the choices of the option."""
_PLACEHOLDER_SOURCE: Final = "0" * 64


class ImagineOptions(PictureOptions, frozen=True, kw_only=True):
    """The options of /imagine."""

    aspect: str | None = None
    """One of ASPECTS; None for square, or for that of the sketch."""


def parse(**options: object) -> ImagineOptions:
    """Options from outside. Raises Refused for a value of the wrong type."""
    values = {name: value for name, value in options.items() if value is not None}
    try:
        return msgspec.convert(values, ImagineOptions)
    except msgspec.ValidationError as error:
        raise Refused(f"One of the options is not valid: {error}.") from error


def with_changes(options: ImagineOptions, **changes: str) -> ImagineOptions:
    """The options with some values replaced."""
    return msgspec.structs.replace(options, **changes)


def build_recipes(
    options: ImagineOptions, model: ModelCard, *, seed: int, has_init_image: bool
) -> tuple[Recipe, ...]:
    """The recipes of a request with seeds seed, seed + 1, …, still without their init image.

    Raises Refused, with a sentence for the user.
    """
    size = size_for_aspect(_ratio(options.aspect), model.native_size)
    source = _PLACEHOLDER_SOURCE if has_init_image else None
    try:
        recipes = make_recipes(options, model, size=size, seed=seed, source=source)
    except ValueError as error:
        raise Refused(str(error)) from error
    return tuple(msgspec.structs.replace(recipe, source=None, strength=None) for recipe in recipes)


def sketch_at(url: str, options: ImagineOptions) -> Sketch:
    """The sketch of a request, which is still at this address."""
    return Sketch(
        url=url,
        strength=options.init_image_strength,
        keep_size=options.aspect is not None,
    )


def _ratio(aspect: str | None) -> float:
    if aspect is None:
        return 1.0
    if aspect not in ASPECTS:
        raise Refused(f"There is no aspect “{aspect[:50]}”. Choose one of: {', '.join(ASPECTS)}.")
    return ASPECTS[aspect]


def with_init_image(
    recipes: Sequence[Recipe],
    model: ModelCard,
    *,
    source: str,
    strength: float,
    size: tuple[int, int],
    keep_size: bool,
) -> tuple[Recipe, ...]:
    """The recipes with an init image of this sha256 and size in pixels."""
    width, height = size_for_init_image(*size, model.native_size)
    if keep_size:
        width, height = recipes[0].width, recipes[0].height
    return model.with_row_class(
        [
            msgspec.structs.replace(
                recipe, source=source, strength=strength, width=width, height=height
            )
            for recipe in recipes
        ]
    )
