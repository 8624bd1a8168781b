"""From what a person asks to recipes; pure, so all randomness comes in as arguments."""

from collections.abc import Sequence
from typing import Final

import msgspec

from bot.errors import Refused
from engine.contract import (
    PICTURES_LIMIT,
    ROW_CLASSES,
    SEED_LIMIT,
    Model,
    Recipe,
    Sampler,
    check_strength,
    size_for,
    size_for_sketch,
)

ASPECTS: Final = {
    "square": 1.0,
    "portrait": 2 / 3,
    "landscape": 3 / 2,
    "tall": 9 / 16,
    "wide": 16 / 9,
}
"""Width / height by the names that people choose."""
VARIATION_STRENGTH: Final = 0.15
"""The share of other noise in a variation: enough to see, little enough to know the parent."""
SKETCH_STRENGTH: Final = 0.75
"""How much of a sketch is painted over when nobody says."""
_DRIFTS: Final = (0.06, -0.06, 0.1, -0.1, 0.14, -0.14, 0.18, -0.18)
_WANDER: Final = 0.02
_UNKNOWN_SOURCE: Final = "0" * 64


class Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of /imagine as a person set them; None is up to the model."""

    prompt: str
    negative: str | None = None
    aspect: str | None = None
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    count: int | None = None
    strength: float | None = None


def read(**options: object) -> Ask:
    """Options from outside as an Ask. Raises Refused for a value of the wrong kind."""
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return msgspec.convert(given, Ask)
    except msgspec.ValidationError as error:
        raise Refused(f"One of the options makes no sense: {error}.") from error


def changed(ask: Ask, **changes: str) -> Ask:
    """The same request with other words."""
    return msgspec.structs.replace(ask, **changes)


def draft(ask: Ask, model: Model, *, seed: int, sketched: bool) -> tuple[Recipe, ...]:
    """The recipes of this request, with seeds seed, seed + 1, …; a sketch is still missing.

    Raises Refused, in words for the person.
    """
    count = PICTURES_LIMIT if ask.count is None else ask.count
    if not 1 <= count <= PICTURES_LIMIT:
        raise Refused(f"The count is {count}; it must be 1 to {PICTURES_LIMIT}.")
    try:
        strength = SKETCH_STRENGTH if ask.strength is None else ask.strength
        check_strength(strength)
        first = _first(ask, model, seed)
        model.check_steps(first)
        if sketched:
            msgspec.structs.replace(first, source=_UNKNOWN_SOURCE, strength=strength)
        elif ask.strength is not None:
            raise Refused("The strength says how much of a sketch to paint over; attach a sketch.")
    except ValueError as error:
        raise Refused(str(error)) from error
    return model.classed([_seeded(first, first.seed + n) for n in range(count)])


def _first(ask: Ask, model: Model, seed: int) -> Recipe:
    guidance = model.guidance if ask.guidance is None else ask.guidance
    width, height = size_for(_ratio(ask.aspect), model.native)
    return Recipe(
        model=model.name,
        revision=model.revision,
        prompt=ask.prompt,
        negative=ask.negative or "",
        seed=seed if ask.seed is None else ask.seed,
        steps=model.steps if ask.steps is None else ask.steps,
        guidance=guidance,
        sampler=model.sampler if ask.sampler is None else _sampler(ask.sampler),
        width=width,
        height=height,
        row_class=ROW_CLASSES[0],
    )


def _sampler(name: str) -> Sampler:
    try:
        return Sampler(name)
    except ValueError:
        known = ", ".join(Sampler)
        raise Refused(f"There is no sampler “{name[:50]}”. These are: {known}.") from None


def _ratio(aspect: str | None) -> float:
    if aspect is None:
        return 1.0
    if aspect not in ASPECTS:
        raise Refused(f"There is no aspect “{aspect[:50]}”. These are: {', '.join(ASPECTS)}.")
    return ASPECTS[aspect]


def with_sketch(
    recipes: Sequence[Recipe],
    model: Model,
    *,
    source: str,
    strength: float,
    size: tuple[int, int],
    keep_size: bool,
) -> tuple[Recipe, ...]:
    """The same recipes painted over a sketch of this sha256 and size in pixels."""
    width, height = size_for_sketch(*size, model.native)
    if keep_size:
        width, height = recipes[0].width, recipes[0].height
    return model.classed(
        [
            msgspec.structs.replace(
                recipe, source=source, strength=strength, width=width, height=height
            )
            for recipe in recipes
        ]
    )


def reroll(recipes: Sequence[Recipe], model: Model, *, seed: int) -> tuple[Recipe, ...]:
    """Everything again but the seed: seed, seed + 1, …"""
    return model.classed([_seeded(recipe, seed + n) for n, recipe in enumerate(recipes)])


def vary(parents: Sequence[Recipe], model: Model, *, chance: int) -> tuple[Recipe, ...]:
    """Four variations of one parent, or one of each of several; `chance` is a fresh seed.

    A first variation keeps the parent's seed and mixes in VARIATION_STRENGTH of the noise of
    subseeds chance, chance + 1, … (the rule of AUTOMATIC1111's "variation seed").

    A recipe has room for one subseed only, so a variation of a variation cannot add a third
    noise. Replacing its subseed would come out as near to its siblings as to itself; so seed and
    subseed stay, and the share of the subseed's noise drifts by 0.04 to 0.2 to both sides. Such
    variations are nearer to the picture that was chosen than to any of its siblings, but they
    differ less boldly among themselves.
    """
    if len(parents) > 1:
        return model.classed([_varied(parent, chance, n) for n, parent in enumerate(parents)])
    return model.classed([_varied(parents[0], chance, n) for n in range(PICTURES_LIMIT)])


def _varied(parent: Recipe, chance: int, nth: int) -> Recipe:
    if parent.subseed_strength == 0.0:
        return msgspec.structs.replace(
            parent, subseed=(chance + nth) % SEED_LIMIT, subseed_strength=VARIATION_STRENGTH
        )
    share = _drifted(parent.subseed_strength, chance, nth)
    return msgspec.structs.replace(parent, subseed_strength=share)


def _drifted(share: float, chance: int, nth: int) -> float:
    """The share moved a little; different for each nth and, most likely, each chance."""
    wander = (chance % 1009 / 1008 * 2 - 1) * _WANDER
    moved = (share + drift + wander for drift in _DRIFTS)
    return round([option for option in moved if 0.0 < option <= 1.0][nth], 4)


def _seeded(recipe: Recipe, seed: int) -> Recipe:
    return msgspec.structs.replace(recipe, seed=seed % SEED_LIMIT)
