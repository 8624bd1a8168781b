"""Values of a request above a limit of the operator or of the model are lowered to it; pure."""

from typing import Final, NamedTuple, TypeVar

import msgspec

from bot.domain.limits import Limits
from bot.i18n import N_
from engine.contract import MAX_GUIDANCE, MAX_STEPS, ModelCard, PictureOptions, Sampler

_STEPS: Final = N_("The steps {value} were lowered to {limit:g}, {reason}.")
_GUIDANCE: Final = N_("The guidance {value} was lowered to {limit:g}, {reason}.")
_Options = TypeVar("_Options", bound=PictureOptions)


class _Limit(NamedTuple):
    most: float
    reason: str
    """The end of a sentence: whose limit it is."""


def lowered_count(
    count: int, most: int, reason: str = N_("of one request")
) -> tuple[int, tuple[str, ...]]:
    """A number of pictures, and a sentence for the user if it was lowered to `most`."""
    if count <= most:
        return count, ()
    return most, (
        N_("The count {count} was lowered to {most}, the most {reason}.").format(
            count=str(count)[:20], most=most, reason=reason
        ),
    )


def lowered(
    options: _Options, model: ModelCard, limits: Limits
) -> tuple[_Options, tuple[str, ...]]:
    """The options with a count, steps and a guidance that are allowed, and sentences for the user
    that say what was lowered."""
    changed, notes = lowered_settings(options, model)
    if options.count is None:
        return changed, notes
    count, count_notes = lowered_count(options.count, limits.max_pictures)
    return msgspec.structs.replace(changed, count=count), (*count_notes, *notes)


def lowered_settings(options: _Options, model: ModelCard) -> tuple[_Options, tuple[str, ...]]:
    """The options with steps and a guidance that the model takes, and sentences for the user."""
    notes = []
    steps, limit = options.steps, _steps_limit(model, options.sampler)
    if steps is not None and steps > limit.most:
        notes.append(_note(_STEPS, str(steps)[:20], limit))
        steps = int(limit.most)
    guidance, limit = options.guidance, _guidance_limit(model)
    if guidance is not None and guidance > limit.most:
        notes.append(_note(_GUIDANCE, f"{guidance:g}", limit))
        guidance = limit.most
    return msgspec.structs.replace(options, steps=steps, guidance=guidance), tuple(notes)


def _steps_limit(model: ModelCard, sampler: str | None) -> _Limit:
    limits = [_Limit(MAX_STEPS, N_("the most there are"))]
    name = model.sampler.value if sampler is None else sampler
    most = model.max_steps.get(Sampler(name), MAX_STEPS) if name in list(Sampler) else MAX_STEPS
    if most > 0:  # a sampler that does not work with the model is refused later
        limits.append(_Limit(most, N_("the most that the sampler {name} takes").format(name=name)))
    if model.distilled is not None:
        limits.append(_Limit(model.distilled.most_steps, _distilled(model)))
    return min(limits, key=lambda limit: limit.most)


def _guidance_limit(model: ModelCard) -> _Limit:
    limits = [_Limit(MAX_GUIDANCE, N_("the most there is"))]
    if model.distilled is not None:
        limits.append(_Limit(model.distilled.most_guidance, _distilled(model)))
    return min(limits, key=lambda limit: limit.most)


def _distilled(model: ModelCard) -> str:
    return N_("the most that the model {name} is made for").format(name=model.name)


def _note(sentence: str, value: str, limit: _Limit) -> str:
    return sentence.format(value=value, limit=limit.most, reason=limit.reason)
