"""Validation of application commands that Discord's OpenAPI document does not express."""

import re
from types import UnionType

from bot.playground.errors import Json, invalid
from bot.playground.model.enums import ApplicationCommandOptionType
from bot.playground.model.subcommands import SUBCOMMAND_TYPES

NAME = re.compile(r"[-_'\w]{1,32}")  # letters and digits of any script
OPTIONS_LIMIT = 25
CHARACTERS_LIMIT = 8000  # of names, descriptions and choices of a command
TYPE_LIMITS = {1: 100, 2: 15, 3: 15}  # commands of each type in a scope
Path = tuple[str | int, ...]


VALUE_TYPES = set(ApplicationCommandOptionType) - SUBCOMMAND_TYPES
CHOICE_VALUE_TYPES: dict[int, type | UnionType] = {
    ApplicationCommandOptionType.STRING: str,
    ApplicationCommandOptionType.INTEGER: int,
    ApplicationCommandOptionType.NUMBER: int | float,
}


def check_commands(commands: list[Json]) -> None:
    """Raise ApiError if Discord would reject the list of commands."""
    keys: set[tuple[int, str]] = set()
    for index, command in enumerate(commands):
        check_command(command, (index,))
        key = (command.get("type") or 1, command["name"])
        if key in keys:
            code = "APPLICATION_COMMANDS_DUPLICATE_NAME"
            raise invalid((index, "name"), code, "Application command names must be unique")
        keys.add(key)
    for command_type, limit in TYPE_LIMITS.items():
        if sum(1 for key_type, _ in keys if key_type == command_type) > limit:
            sentence = f"At most {limit} commands of type {command_type}"
            raise invalid((), "BASE_TYPE_MAX_LENGTH", sentence)


def check_command(command: Json, path: Path = ()) -> None:
    """Raise ApiError if Discord would reject the command."""
    command_type = command.get("type") or 1
    name = command.get("name")
    if command_type == 1:
        _check_name(name, path)
        _check_description(command, path)
        _check_options(command.get("options") or [], path)
    elif not isinstance(name, str) or not 1 <= len(name) <= 32:
        raise invalid(
            (*path, "name"), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 32 in length."
        )
    elif command.get("description") or command.get("options"):
        sentence = "Context menu commands cannot have a description or options"
        raise invalid((*path, "description"), "APPLICATION_COMMAND_INVALID", sentence)
    if _count_characters(command) > CHARACTERS_LIMIT:
        sentence = f"Command exceeds maximum size ({CHARACTERS_LIMIT})"
        raise invalid(path, "APPLICATION_COMMAND_TOO_LARGE", sentence)


def _check_name(name: object, path: Path) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name) or name != name.lower():
        code = "APPLICATION_COMMAND_INVALID_NAME"
        raise invalid((*path, "name"), code, "Command name is invalid")


def _check_description(item: Json, path: Path) -> None:
    if not 1 <= len(item.get("description") or "") <= 100:
        sentence = "Must be between 1 and 100 in length."
        raise invalid((*path, "description"), "BASE_TYPE_BAD_LENGTH", sentence)


def _check_options(options: list[Json], path: Path) -> None:
    if len(options) > OPTIONS_LIMIT:
        raise invalid((*path, "options"), "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    names: set[str] = set()
    optional = False
    for index, option in enumerate(options):
        option_path: Path = (*path, "options", index)
        _check_name(option.get("name"), option_path)
        _check_description(option, option_path)
        if option["name"] in names:
            code = "APPLICATION_COMMAND_OPTIONS_NAME_DUPLICATED"
            raise invalid((*option_path, "name"), code, "Option names must be unique")
        names.add(option["name"])
        if option.get("required") and optional:
            code = "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID"
            sentence = "Required options must be placed before non-required options"
            raise invalid(option_path, code, sentence)
        optional = optional or not option.get("required")
        _check_values(option, option_path)
        _check_nested(option, option_path)
    types = {option["type"] for option in options}
    if types & SUBCOMMAND_TYPES and not types <= SUBCOMMAND_TYPES:
        code = "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID"
        sentence = "Sub-commands and sub-command groups cannot be mixed with other options"
        raise invalid((*path, "options"), code, sentence)


def _check_nested(option: Json, option_path: Path) -> None:
    """Groups contain subcommands, subcommands contain values, values contain nothing."""
    children = option.get("options") or []
    option_type = option["type"]
    allowed = {
        ApplicationCommandOptionType.SUB_COMMAND_GROUP: {ApplicationCommandOptionType.SUB_COMMAND},
        ApplicationCommandOptionType.SUB_COMMAND: VALUE_TYPES,
    }
    for index, child in enumerate(children):
        if child.get("type") not in allowed.get(option_type, set()):
            child_type = child.get("type")
            sentence = f"An option of type {child_type} cannot be nested in type {option_type}"
            raise invalid((*option_path, "options", index, "type"), "BASE_TYPE_CHOICES", sentence)
    if option_type == ApplicationCommandOptionType.SUB_COMMAND_GROUP and not children:
        sentence = "A sub-command group needs a sub-command"
        raise invalid((*option_path, "options"), "BASE_TYPE_REQUIRED", sentence)
    _check_options(children, option_path)


def _check_values(option: Json, option_path: Path) -> None:
    if option.get("type") not in set(ApplicationCommandOptionType):
        raise invalid((*option_path, "type"), "BASE_TYPE_CHOICES", "Unknown option type")
    choices = option.get("choices") or []
    value_type = CHOICE_VALUE_TYPES.get(option["type"])
    if choices and (
        value_type is None or not all(isinstance(c.get("value"), value_type) for c in choices)
    ):
        sentence = "A choice's value has the type of its option"
        raise invalid((*option_path, "choices"), "APPLICATION_COMMAND_CHOICE_VALUE", sentence)
    if choices and option.get("autocomplete"):
        code = "APPLICATION_COMMAND_OPTIONS_CHOICES_AUTOCOMPLETE"
        raise invalid(option_path, code, "Autocomplete and choices cannot be used together")
    if len(choices) > OPTIONS_LIMIT:
        raise invalid(
            (*option_path, "choices"), "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length."
        )
    values = [choice.get("value") for choice in choices]
    if len(set(values)) != len(values):
        code = "APPLICATION_COMMAND_OPTIONS_CHOICES_DUPLICATED"
        raise invalid((*option_path, "choices"), code, "Choice values must be unique")
    minimum, maximum = option.get("min_value"), option.get("max_value")
    if minimum is not None and maximum is not None and minimum > maximum:
        raise invalid((*option_path, "min_value"), "OPTION_RANGE", "min_value is above max_value")


def _count_characters(item: Json) -> int:
    total = len(item.get("name") or "") + len(item.get("description") or "")
    for choice in item.get("choices") or []:
        total += len(str(choice.get("name"))) + len(str(choice.get("value")))
    return total + sum(_count_characters(option) for option in item.get("options") or [])
