"""The names of the loaded models that users see and type; pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from bot.errors import Refused
from bot.i18n import _
from engine.contract import ModelCard

MAX_CHOICES: Final = 25
"""Discord's limits for choices of an option, and for the characters of each."""
MAX_CHOICE_CHARS: Final = 100


def short_names(models: Sequence[ModelCard]) -> Mapping[str, ModelCard]:
    """The models by the last part of their name, or by the whole name where that part is not
    unique."""
    last_parts = [re.split(r"[/\\]", model.name.rstrip("/\\"))[-1] for model in models]
    return {
        (part if last_parts.count(part) == 1 else model.name)[:MAX_CHOICE_CHARS]: model
        for part, model in zip(last_parts, models, strict=True)
    }


def short_name(model: ModelCard, models: Sequence[ModelCard]) -> str:
    """The name of one of these models."""
    return next(name for name, card in short_names(models).items() if card is model)


def find_model(name: str | None, models: Sequence[ModelCard]) -> ModelCard:
    """The model of this short or whole name, in any case; without a name, the default.

    Raises Refused, which names the loaded models.
    """
    if name is None or not name.strip():
        return models[0]
    requested = name.strip().casefold()
    names = short_names(models)
    for short_name, model in names.items():
        if requested in (short_name.casefold(), model.name.casefold()):
            return model
    raise Refused(
        _("There is no model “{name}”. These are loaded: {names}.").format(
            name=name[:50], names=", ".join(names)
        )
    )


def with_default(models: Sequence[ModelCard], name: str | None) -> tuple[ModelCard, ...]:
    """The models, of which that of this whole name comes first, if it is one of them."""
    return tuple(sorted(models, key=lambda model: model.name != name))


def suggestions(typed: str, models: Sequence[ModelCard], *, editors: bool = False) -> list[str]:
    """The short names that contain what a user has typed, at most MAX_CHOICES; those of the models
    that edit pictures, or of all others."""
    names = [name for name, card in short_names(models).items() if card.is_editor is editors]
    return [name for name in names if typed.strip().casefold() in name.casefold()][:MAX_CHOICES]
