"""Rules of application commands that go beyond single fields."""

import re

from bot.playground.errors import ApiError, Json, invalid
from bot.playground.model.subcommands import SUBCOMMAND_TYPES
from bot.playground.rest.validation.command_models import COMMAND
from bot.playground.rest.validation.components import check_range
from bot.playground.rest.validation.fields import read_form
from bot.playground.rest.validation.form import FormErrors, Path

CHAT_INPUT = 1
MENU_TYPES = (2, 3)  # of users and of messages
NAME = re.compile(r"[-_'\w\u0900-\u097f\u0e00-\u0e7f]{1,32}")  # \w lacks vowel signs
CHARACTERS_LIMIT = 8000  # of names, descriptions and choices of a command
TYPE_LIMITS = {1: 100, 2: 15, 3: 15, 4: 1}  # commands of each type in a scope
RANGES = (("min_value", "max_value"), ("min_length", "max_length"))


def read_commands(items: list[Json]) -> list[Json]:
    """Return the commands of a bulk overwrite; raise ApiError if Discord would reject the list."""
    commands = [read_command(item, (index,)) for index, item in enumerate(items)]
    keys: set[tuple[int, str]] = set()
    for index, command in enumerate(commands):
        key = (command.get("type") or CHAT_INPUT, command["name"])
        if key in keys:
            code = "APPLICATION_COMMANDS_DUPLICATE_NAME"
            raise invalid((index,), code, "Application command names must be unique")
        keys.add(key)
    check_counts(commands)
    return commands


def check_counts(commands: list[Json]) -> None:
    """Raise ApiError (30032) if a scope cannot have so many commands of a type."""
    types = [command.get("type") or CHAT_INPUT for command in commands]
    for command_type, limit in TYPE_LIMITS.items():
        if types.count(command_type) > limit:
            sentence = f"Maximum number of application commands reached ({limit})"
            raise ApiError(400, 30032, sentence, violation=True)


def read_command(payload: Json, path: Path = ()) -> Json:
    """Return the command; raise ApiError if Discord would reject it."""
    command = read_form(COMMAND, payload, path)
    errors = FormErrors()
    if (command.get("type") or CHAT_INPUT) == CHAT_INPUT:
        _check_name(command, path, errors)
        if command.get("description") is None:
            errors.require((*path, "description"))
        elif not command["description"]:
            message = "Must be between 1 and 100 in length."
            errors.add((*path, "description"), "BASE_TYPE_BAD_LENGTH", message)
        _check_options(command.get("options") or [], (*path, "options"), errors)
    elif command["type"] in MENU_TYPES:
        for key in ("description", "options"):
            if command.get(key):
                code = f"APPLICATION_COMMAND_CONTEXT_MENU_{key.upper()}_INVALID"
                errors.add((*path, key), code, f"Context menu commands cannot have {key}")
    if _count_characters(command) > CHARACTERS_LIMIT:
        message = f"Command exceeds maximum size ({CHARACTERS_LIMIT})"
        errors.add(path, "APPLICATION_COMMAND_TOO_LARGE", message)
    errors.raise_any()
    return command


def _check_name(item: Json, path: Path, errors: FormErrors) -> None:
    """Add the errors of the name and its localizations. Only options report the locale."""
    if not _is_name(item["name"]):
        _add_invalid_name((*path, "name"), errors)
    for locale, name in (item.get("name_localizations") or {}).items():
        if not _is_name(name):
            locale_path: Path = (locale,) if "options" in path else ()
            _add_invalid_name((*path, "name_localizations", *locale_path), errors)


def _is_name(name: str) -> bool:
    return bool(NAME.fullmatch(name)) and name == name.lower()


def _add_invalid_name(path: Path, errors: FormErrors) -> None:
    errors.add(path, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")


def _check_options(options: list[Json], path: Path, errors: FormErrors) -> None:
    names: set[str] = set()
    optional = False
    for index, option in enumerate(options):
        option_path: Path = (*path, index)
        _check_name(option, option_path, errors)
        if option["name"] in names:
            code = "APPLICATION_COMMAND_OPTIONS_NAME_DUPLICATED"
            errors.add((*option_path, "name"), code, "Option names must be unique")
        names.add(option["name"])
        if option.get("required") and optional:
            code = "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID"
            message = "Required options must be placed before non-required options"
            errors.add(option_path, code, message)
        optional = optional or not option.get("required")
        _check_values(option, option_path, errors)
        _check_options(option.get("options") or [], (*option_path, "options"), errors)
    types = {option["type"] for option in options}
    if types & SUBCOMMAND_TYPES and not types <= SUBCOMMAND_TYPES:
        code = "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID"
        message = (
            "Sub-command and sub-command group option types are mutually exclusive "
            "to all other types"
        )
        errors.add(path, code, message)


def _check_values(option: Json, path: Path, errors: FormErrors) -> None:
    choices = option.get("choices") or []
    if choices and option.get("autocomplete"):
        code = "APPLICATION_COMMAND_OPTIONS_CHOICES_AUTOCOMPLETE"
        errors.add(path, code, "Autocomplete and choices cannot be used together")
    names = [choice["name"] for choice in choices]
    if len(set(names)) != len(names):
        code = "APPLICATION_COMMAND_OPTIONS_CHOICES_DUPLICATED"
        errors.add((*path, "choices"), code, "Choice names must be unique")
    for low, high in RANGES:
        check_range(option, low, high, path, errors)


def _count_characters(item: Json) -> int:
    """Return the number of characters, with the longest localization of each text."""
    total = _longest(item, "name") + _longest(item, "description")
    for choice in item.get("choices") or []:
        total += _longest(choice, "name") + len(str(choice["value"]))
    return total + sum(_count_characters(option) for option in item.get("options") or [])


def _longest(item: Json, key: str) -> int:
    texts = [item.get(key) or "", *(item.get(f"{key}_localizations") or {}).values()]
    return max(len(text) for text in texts)
