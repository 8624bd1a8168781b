"""Validation of autocomplete choices."""

from collections.abc import Iterable, Iterator

from bot.playground.errors import Json
from bot.playground.model.enums import ApplicationCommandOptionType
from bot.playground.rest.validation.choices import VALUES, choices
from bot.playground.rest.validation.fields import Model, read_form
from bot.playground.rest.validation.form import Path

STRING = ApplicationCommandOptionType.STRING
RESULTS = {option_type: Model({"choices": choices(option_type)}) for option_type in VALUES}


def read_choices(data: Json, interaction_data: Json, path: Path) -> list[Json]:
    """Return the choices for the focused option; raise ApiError if one is invalid."""
    options = _leaves(interaction_data.get("options") or [])
    option_type = next((option["type"] for option in options if option.get("focused")), STRING)
    form = RESULTS.get(option_type, RESULTS[STRING])
    return read_form(form, data, path).get("choices") or []


def _leaves(options: Iterable[Json]) -> Iterator[Json]:
    """Yield the options without nested ones: those that have values."""
    for option in options:
        if "options" in option:
            yield from _leaves(option["options"])
        else:
            yield option
