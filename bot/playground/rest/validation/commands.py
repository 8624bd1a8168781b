"""Discord's rules for application commands that its OpenAPI document does not say."""

import re
from types import UnionType

from bot.playground.errors import Json, invalid
from bot.playground.model.enums import ApplicationCommandOptionType

NAME = re.compile(r"[-_'\w]{1,32}")  # letters and digits of any script
OPTIONS_LIMIT = 25
COMMAND_CHARACTERS = 8000
PER_SCOPE = {1: 100, 2: 15, 3: 15}
Path = tuple[str | int, ...]


BRANCHES = {
    ApplicationCommandOptionType.SUB_COMMAND,
    ApplicationCommandOptionType.SUB_COMMAND_GROUP,
}
VALUES = set(ApplicationCommandOptionType) - BRANCHES
CHOICE_KINDS: dict[int, type | UnionType] = {
    ApplicationCommandOptionType.STRING: str,
    ApplicationCommandOptionType.INTEGER: int,
    ApplicationCommandOptionType.NUMBER: int | float,
}


def check_commands(commands: list[Json]) -> None:
    """Raise ApiError when Discord would refuse this list of commands."""
    seen: set[tuple[int, str]] = set()
    for number, command in enumerate(commands):
        check_command(command, (number,))
        key = (command.get("type") or 1, command["name"])
        if key in seen:
            code = "APPLICATION_COMMANDS_DUPLICATE_NAME"
            raise invalid((number, "name"), code, "Application command names must be unique")
        seen.add(key)
    for kind, limit in PER_SCOPE.items():
        if sum(1 for found, _ in seen if found == kind) > limit:
            raise invalid((), "BASE_TYPE_MAX_LENGTH", f"At most {limit} commands of type {kind}")


def check_command(command: Json, path: Path = ()) -> None:
    """Raise ApiError when Discord would refuse this command."""
    kind = command.get("type") or 1
    name = command.get("name")
    if kind == 1:
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
    if _characters(command) > COMMAND_CHARACTERS:
        sentence = f"Command exceeds maximum size ({COMMAND_CHARACTERS})"
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
    for number, option in enumerate(options):
        at: Path = (*path, "options", number)
        _check_name(option.get("name"), at)
        _check_description(option, at)
        if option["name"] in names:
            code = "APPLICATION_COMMAND_OPTIONS_NAME_DUPLICATED"
            raise invalid((*at, "name"), code, "Option names must be unique")
        names.add(option["name"])
        if option.get("required") and optional:
            code = "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID"
            sentence = "Required options must be placed before non-required options"
            raise invalid(at, code, sentence)
        optional = optional or not option.get("required")
        _check_values(option, at)
        _check_nested(option, at)
    kinds = {option["type"] for option in options}
    if kinds & BRANCHES and not kinds <= BRANCHES:
        code = "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID"
        sentence = "Sub-commands and sub-command groups cannot stand beside other options"
        raise invalid((*path, "options"), code, sentence)


def _check_nested(option: Json, at: Path) -> None:
    """A group holds subcommands, a subcommand holds values, and a value holds nothing."""
    inside = option.get("options") or []
    kind = option["type"]
    allowed = {
        ApplicationCommandOptionType.SUB_COMMAND_GROUP: {ApplicationCommandOptionType.SUB_COMMAND},
        ApplicationCommandOptionType.SUB_COMMAND: VALUES,
    }
    for number, child in enumerate(inside):
        if child.get("type") not in allowed.get(kind, set()):
            sentence = f"An option of type {child.get('type')} cannot stand in one of type {kind}"
            raise invalid((*at, "options", number, "type"), "BASE_TYPE_CHOICES", sentence)
    if kind == ApplicationCommandOptionType.SUB_COMMAND_GROUP and not inside:
        sentence = "A sub-command group needs a sub-command"
        raise invalid((*at, "options"), "BASE_TYPE_REQUIRED", sentence)
    _check_options(inside, at)


def _check_values(option: Json, at: Path) -> None:
    if option.get("type") not in set(ApplicationCommandOptionType):
        raise invalid((*at, "type"), "BASE_TYPE_CHOICES", "Unknown option type")
    choices = option.get("choices") or []
    kind = CHOICE_KINDS.get(option["type"])
    if choices and (kind is None or not all(isinstance(c.get("value"), kind) for c in choices)):
        sentence = "A choice's value has the type of its option"
        raise invalid((*at, "choices"), "APPLICATION_COMMAND_CHOICE_VALUE", sentence)
    if choices and option.get("autocomplete"):
        code = "APPLICATION_COMMAND_OPTIONS_CHOICES_AUTOCOMPLETE"
        raise invalid(at, code, "Autocomplete and choices cannot be used together")
    if len(choices) > OPTIONS_LIMIT:
        raise invalid((*at, "choices"), "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    values = [choice.get("value") for choice in choices]
    if len(set(values)) != len(values):
        code = "APPLICATION_COMMAND_OPTIONS_CHOICES_DUPLICATED"
        raise invalid((*at, "choices"), code, "Choice values must be unique")
    low, high = option.get("min_value"), option.get("max_value")
    if low is not None and high is not None and low > high:
        raise invalid((*at, "min_value"), "OPTION_RANGE", "min_value is above max_value")


def _characters(item: Json) -> int:
    total = len(item.get("name") or "") + len(item.get("description") or "")
    for choice in item.get("choices") or []:
        total += len(str(choice.get("name"))) + len(str(choice.get("value")))
    return total + sum(_characters(option) for option in item.get("options") or [])
