"""Fields and limits of application commands and their options."""

from bot.playground.model.enums import ApplicationCommandOptionType as OptionType
from bot.playground.rest.validation.choices import INTEGER, choices
from bot.playground.rest.validation.component_models import CHANNEL_TYPES
from bot.playground.rest.validation.fields import (
    Boolean,
    Choice,
    Field,
    Float,
    Integer,
    ListOf,
    Model,
    Required,
    Text,
    Union,
)
from bot.playground.rest.validation.localizations import localizations

OPTIONS_LIMIT = 25
NAMED: dict[str, Field] = {
    "name": Required(Text(32, 1)),
    "name_localizations": localizations(32),
    "description_localizations": localizations(100),
}


def _option(**fields: Field) -> Model:
    """Return an option with these fields; most have no options of their own."""
    shared: dict[str, Field] = {
        "description": Required(Text(100, 1)),
        "required": Boolean(),
        "options": ListOf(Model({}), 0),
    }
    return Model({**NAMED, **shared, **fields})


VALUE_OPTIONS: dict[int, Model] = {
    OptionType.STRING: _option(
        choices=choices(OptionType.STRING),
        autocomplete=Boolean(),
        min_length=Integer(0, 6000),
        max_length=Integer(1, 6000),
    ),
    OptionType.INTEGER: _option(
        choices=choices(OptionType.INTEGER),
        autocomplete=Boolean(),
        min_value=INTEGER,
        max_value=INTEGER,
    ),
    OptionType.BOOLEAN: _option(),
    OptionType.USER: _option(),
    OptionType.CHANNEL: _option(channel_types=ListOf(Choice(CHANNEL_TYPES), unique=True)),
    OptionType.ROLE: _option(),
    OptionType.MENTIONABLE: _option(),
    OptionType.NUMBER: _option(
        choices=choices(OptionType.NUMBER),
        autocomplete=Boolean(),
        min_value=Float(),
        max_value=Float(),
    ),
    OptionType.ATTACHMENT: _option(file_types=ListOf(Text(100), 10)),
}
SUB_COMMAND = _option(options=ListOf(Union(VALUE_OPTIONS), OPTIONS_LIMIT))
SUB_COMMANDS = ListOf(Union({OptionType.SUB_COMMAND: SUB_COMMAND}), OPTIONS_LIMIT, 1)
OPTIONS: dict[int, Model] = {
    OptionType.SUB_COMMAND: SUB_COMMAND,
    OptionType.SUB_COMMAND_GROUP: _option(options=Required(SUB_COMMANDS)),
    **VALUE_OPTIONS,
}
COMMAND = Model(
    {
        **NAMED,
        "type": Choice((1, 2, 3, 4)),
        "description": Text(100),
        "options": ListOf(Union(OPTIONS), OPTIONS_LIMIT),
        "default_member_permissions": Integer(0, (1 << 54) - 1),
        "dm_permission": Boolean(),
        "nsfw": Boolean(),
        "contexts": ListOf(Choice((0, 1, 2)), minimum=1, maximum=3, unique=True),
        "integration_types": ListOf(Choice((0, 1)), minimum=1, maximum=2, unique=True),
        "handler": Choice((1, 2)),
    },
    nulls=True,
)
