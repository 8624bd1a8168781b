"""Choices of command options, fixed or from autocompletion."""

from bot.playground.model.enums import ApplicationCommandOptionType
from bot.playground.rest.validation.fields import (
    Field,
    Float,
    Integer,
    ListOf,
    Model,
    Required,
    Text,
)
from bot.playground.rest.validation.localizations import localizations

CHOICES_LIMIT = 25
SAFE_INTEGER = (1 << 53) - 1
INTEGER = Integer(-SAFE_INTEGER, SAFE_INTEGER)

VALUES: dict[int, Field] = {
    ApplicationCommandOptionType.STRING: Text(100),
    ApplicationCommandOptionType.INTEGER: INTEGER,
    ApplicationCommandOptionType.NUMBER: Float(),
}
"""The value of a choice by the type of its option."""


def choices(option_type: int) -> ListOf:
    """Return a field for the choices of an option of this type."""
    choice = Model(
        {
            "name": Required(Text(100, 1, strip=True)),
            "name_localizations": localizations(100),
            "value": Required(VALUES[option_type]),
        }
    )
    return ListOf(choice, CHOICES_LIMIT)
