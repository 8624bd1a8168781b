"""/imagine: the plan of the options of the command; pure."""

from typing import Final

import msgspec

from bot.domain.job_input import PENDING_IMAGE, InputRole, PlanInput
from bot.domain.model_names import find_model
from bot.domain.plan import (
    PICTURE_ACTIONS,
    JobKind,
    Plan,
    PlanContext,
)
from bot.errors import Refused
from engine.contract import (
    ModelCard,
    PictureOptions,
    make_recipes,
)

ASPECTS: Final = {
    "square": 1.0,
    "portrait": 2 / 3,
    "landscape": 3 / 2,
    "tall": 9 / 16,
    "wide": 16 / 9,
}
"""Width / height by the choices of the option."""


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
    """The plan with seeds seed, seed + 1, …; a sketch is still named PENDING_IMAGE.

    Raises Refused, with a sentence for the user.
    """
    options = request.options
    model = find_model(options.model, context.models)
    most = context.limits.max_pictures
    if options.count is not None and not 1 <= options.count <= most:
        raise Refused(f"The count is {options.count}; it must be 1 to {most}.")
    size = size_of(model, options)
    source = None if request.sketch_url is None else PENDING_IMAGE
    try:
        recipes = make_recipes(options, model, size=size, seed=context.seed, source=source)
    except ValueError as error:
        raise Refused(str(error)) from error
    return Plan(
        prompt=options.prompt if options.prompt != recipes[0].prompt else "",
        recipes=recipes,
        inputs=sketch_inputs(request.sketch_url, keep_size=options.aspect is not None),
    )


def sketch_inputs(url: str | None, *, keep_size: bool) -> tuple[PlanInput, ...]:
    """The sketch at this address as an input; none without an address."""
    if url is None:
        return ()
    return (PlanInput(role=InputRole.SKETCH, url=url, keep_size=keep_size),)


def size_of(model: ModelCard, options: ImagineOptions) -> tuple[int, int]:
    """The width and height in pixels of the pictures of a request. Raises Refused if there is no
    such aspect."""
    return model.size_for_aspect(_ratio(options.aspect))


def _ratio(aspect: str | None) -> float:
    if aspect is None:
        return 1.0
    if aspect not in ASPECTS:
        raise Refused(f"There is no aspect “{aspect[:50]}”. Choose one of: {', '.join(ASPECTS)}.")
    return ASPECTS[aspect]


KIND: Final = JobKind(name="imagine", plan=plan, actions=PICTURE_ACTIONS)
