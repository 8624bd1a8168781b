"""/imagine: the plan of the options of the command; pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from bot.domain.model_names import find_model
from bot.domain.plan import InputRole, JobKind, Plan, PlanContext, PlanInput
from bot.errors import Refused
from engine.contract import (
    Img2Img,
    ModelCard,
    PictureOptions,
    Recipe,
    Txt2Img,
    make_recipes,
    size_for_aspect,
    size_for_init_image,
)

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
    model: str | None = None
    """The short or whole name of a loaded model; None for the default."""


class ImagineRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request by /imagine."""

    options: ImagineOptions
    sketch_url: str | None = None
    """The address of the sketch, if there is one."""


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


def plan(request: ImagineRequest, context: PlanContext) -> Plan:
    """The plan with seeds seed, seed + 1, …; its recipes are still without their init image.

    Raises Refused, with a sentence for the user.
    """
    options = request.options
    model = find_model(options.model, context.models)
    most = context.limits.max_pictures
    if options.count is not None and not 1 <= options.count <= most:
        raise Refused(f"The count is {options.count}; it must be 1 to {most}.")
    size = size_for_aspect(_ratio(options.aspect), model.native_size)
    source = None if request.sketch_url is None else _PLACEHOLDER_SOURCE
    try:
        recipes = make_recipes(options, model, size=size, seed=context.seed, source=source)
    except ValueError as error:
        raise Refused(str(error)) from error
    return Plan(
        recipes=tuple(msgspec.structs.replace(recipe, source=Txt2Img()) for recipe in recipes),
        inputs=_inputs(request),
    )


def _inputs(request: ImagineRequest) -> tuple[PlanInput, ...]:
    if request.sketch_url is None:
        return ()
    sketch = PlanInput(
        role=InputRole.SKETCH,
        url=request.sketch_url,
        strength=request.options.init_image_strength,
        keep_size=request.options.aspect is not None,
    )
    return (sketch,)


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
                recipe, source=Img2Img(source, strength), width=width, height=height
            )
            for recipe in recipes
        ]
    )


KIND: Final = JobKind(name="imagine", plan=plan, actions=("upscale", "reroll", "vary"))
