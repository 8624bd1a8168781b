"""/imagine: recipes from the options of the command; pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from bot.domain.job import JobKind, Sketch
from bot.domain.kinds.seeds import seeded
from bot.errors import Refused
from engine.contract import (
    MAX_PICTURES,
    RANDOM_SEED,
    ROW_CLASSES,
    ModelCard,
    Recipe,
    Sampler,
    check_strength,
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
DEFAULT_STRENGTH: Final = 0.75
"""The strength for a sketch if the option is not set."""
_PLACEHOLDER_SOURCE: Final = "0" * 64


class ImagineOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of /imagine; None for the model's default."""

    prompt: str
    negative: str | None = None
    aspect: str | None = None
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    count: int | None = None
    strength: float | None = None


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
    count = MAX_PICTURES if options.count is None else options.count
    if not 1 <= count <= MAX_PICTURES:
        raise Refused(f"The count is {count}; it must be 1 to {MAX_PICTURES}.")
    try:
        strength = DEFAULT_STRENGTH if options.strength is None else options.strength
        check_strength(strength)
        first = _first_recipe(options, model, seed)
        model.check_sampler(first)
        model.check_steps(first)
        if has_init_image:
            msgspec.structs.replace(first, source=_PLACEHOLDER_SOURCE, strength=strength)
        elif options.strength is not None:
            raise Refused("The strength says how much of a sketch to paint over; attach a sketch.")
    except ValueError as error:
        raise Refused(str(error)) from error
    return model.with_row_class([seeded(first, first.seed + n) for n in range(count)])


def sketch_at(url: str, options: ImagineOptions) -> Sketch:
    """The sketch of a request, which is still at this address."""
    return Sketch(
        url=url,
        strength=DEFAULT_STRENGTH if options.strength is None else options.strength,
        keep_size=options.aspect is not None,
    )


def _first_recipe(options: ImagineOptions, model: ModelCard, seed: int) -> Recipe:
    guidance = model.guidance if options.guidance is None else options.guidance
    width, height = size_for_aspect(_ratio(options.aspect), model.native_size)
    return Recipe(
        model=model.name,
        revision=model.revision,
        prompt=options.prompt,
        negative=options.negative or "",
        seed=seed if options.seed in (None, RANDOM_SEED) else options.seed,
        steps=model.steps if options.steps is None else options.steps,
        guidance=guidance,
        sampler=model.sampler if options.sampler is None else _sampler(options.sampler, model),
        width=width,
        height=height,
        row_class=ROW_CLASSES[0],
    )


def _sampler(name: str, model: ModelCard) -> Sampler:
    try:
        return Sampler(name)
    except ValueError:
        names = ", ".join(model.samplers)
        raise Refused(f"There is no sampler “{name[:50]}”. Choose one of: {names}.") from None


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
