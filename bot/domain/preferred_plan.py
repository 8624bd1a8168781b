"""Plans whose open options have the values that count for their user; pure."""

from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

import msgspec

from bot.domain.plan import Plan, PlanContext
from bot.domain.preference_settings import SETTINGS
from bot.errors import Refused
from bot.i18n import ENGLISH, N_, in_language
from engine.contract.infotext import public_model_name

OPTIONS: Final = ("sampler", "steps", "count", "aspect", "styles")
R = TypeVar("R")
Fill: TypeAlias = Callable[[R, str, object, PlanContext], R]
"""The request with this value of an option; the same request if it has the option already, or no
use for it. Also called with `model`. May raise Refused as the plan does."""


def preferred_plan(
    plan: Callable[[R, PlanContext], Plan], request: R, context: PlanContext, fill: Fill[R]
) -> Plan:
    """The plan of a request with those of the preferences that are possible.

    The others are left out, each with a note. Raises Refused as `plan` does without any.
    """
    values = {name: getattr(context.preferences, name) for name in OPTIONS}
    values = {name: value for name, value in values.items() if value not in (None, "")}
    notes = _model_notes(request, context, fill)
    filled = request
    for name, value in values.items():
        filled = fill(filled, name, value, context)
    try:
        return _with_notes(plan(filled, context), notes)
    except Refused:
        if filled == request:
            raise
    current, planned = request, plan(request, context)
    for name, value in values.items():
        candidate = fill(current, name, value, context)
        try:
            with in_language(ENGLISH):  # notes are stored
                planned = plan(candidate, context)
        except Refused as error:
            notes.append(
                N_("Your setting {title} ({value}) was not used: {error}").format(
                    title=SETTINGS[name].title, value=value, error=error
                )
            )
        else:
            current = candidate
    return _with_notes(planned, notes)


def _model_notes(request: R, context: PlanContext, fill: Fill[R]) -> list[str]:
    """A note if the default model is gone and the request would be painted with it."""
    name, models = context.preferences.default_model, context.models
    if name is None or any(model.name == name for model in models):
        return []
    if fill(request, "model", models[0].name, context) == request:
        return []
    return [
        N_("Your default model {name} is not offered now.").format(name=public_model_name(name))
    ]


def _with_notes(plan: Plan, notes: list[str]) -> Plan:
    return msgspec.structs.replace(plan, notes=(*plan.notes, *notes)) if notes else plan
