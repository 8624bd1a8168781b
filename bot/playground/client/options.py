"""Option values of a command: validate them as Discord's client does, and parse typed text."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from bot.playground.errors import InvalidOption, Json
from bot.playground.model.attachments import Upload
from bot.playground.model.enums import ApplicationCommandOptionType
from bot.playground.model.subcommands import InvokableCommand

SAFE_INTEGER = 2**53 - 1
STRING_LIMIT = 6000
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@runtime_checkable
class NamedObject(Protocol):
    """A user, channel or role."""

    @property
    def id(self) -> int:
        """The snowflake."""

    @property
    def name(self) -> str:
        """The name that clients show."""


PlainValue = str | int | float | bool | Upload
Value = PlainValue | NamedObject


@dataclass
class FilledOptions:
    """Option values as in interaction data, and the files of attachment options by name."""

    options: list[Json] = field(default_factory=list)
    uploads: dict[str, Upload] = field(default_factory=dict)


def fill_options(
    command: InvokableCommand, values: Mapping[str, PlainValue], *, checked: bool = True
) -> FilledOptions:
    """Return the option values of a command, not yet nested for subcommands.

    Raise InvalidOption if Discord's client would not send them. If `checked` is false, values are
    not validated, because other clients may send any value of the right JSON type.
    """
    result = FilledOptions()
    options = {option["name"]: option for option in command.options}
    for name in values:
        if name not in options:
            raise InvalidOption(f"/{command.name} has no option called {name}.")
    for name, option in options.items():
        if name in values:
            _fill_option(result, option, values[name], checked)
        elif option.get("required") and checked:
            raise InvalidOption(f"The option {name} is required.")
    return result


def _fill_option(result: FilledOptions, option: Json, value: PlainValue, checked: bool) -> None:
    name, option_type = option["name"], option["type"]
    if option_type == ApplicationCommandOptionType.ATTACHMENT:
        if not isinstance(value, Upload):
            raise InvalidOption(f"The option {name} takes a file.")
        result.uploads[name] = value
        result.options.append({"name": name, "type": option_type, "value": name})
        return
    if isinstance(value, Upload):
        raise InvalidOption(f"The option {name} takes no file.")
    if checked:
        value = _validate(option, value)
    result.options.append({"name": name, "type": option_type, "value": value})


def _validate(option: Json, value: str | float | bool) -> str | float | bool:
    choices = option.get("choices")
    if choices:
        return _choice(option["name"], choices, value)
    match option["type"]:
        case ApplicationCommandOptionType.STRING:
            return _string(option, value)
        case ApplicationCommandOptionType.INTEGER | ApplicationCommandOptionType.NUMBER:
            return _number(option, value)
        case ApplicationCommandOptionType.BOOLEAN if not isinstance(value, bool):
            raise InvalidOption(f"The option {option['name']} is true or false.")
    return value


def _choice(name: str, choices: list[Json], value: object) -> str | float:
    for choice in choices:
        if value in (choice["value"], choice["name"]):
            choice_value: str | float = choice["value"]
            return choice_value
    names = ", ".join(str(choice["name"]) for choice in choices)
    raise InvalidOption(f"The option {name} takes one of: {names}.")


def _string(option: Json, value: object) -> str:
    name = option["name"]
    if not isinstance(value, str):
        raise InvalidOption(f"The option {name} takes text.")
    minimum = max(option.get("min_length") or 0, 1)
    maximum = option.get("max_length") or STRING_LIMIT
    if not minimum <= len(value) <= maximum:
        raise InvalidOption(f"The option {name} takes {minimum} to {maximum} characters.")
    return value


def _number(option: Json, value: object) -> float:
    name, is_integer = option["name"], option["type"] == ApplicationCommandOptionType.INTEGER
    if isinstance(value, bool) or not isinstance(value, int if is_integer else int | float):
        raise InvalidOption(f"The option {name} takes a {'whole ' if is_integer else ''}number.")
    minimum = option.get("min_value", -SAFE_INTEGER)
    maximum = option.get("max_value", SAFE_INTEGER)
    if not math.isfinite(value) or not minimum <= value <= maximum:
        least, most = (str(limit).removesuffix(".0") for limit in (minimum, maximum))
        raise InvalidOption(f"The option {name} takes a number from {least} to {most}.")
    return value


def parse_values(options: list[Json], texts: Mapping[str, str]) -> dict[str, PlainValue]:
    """Return typed texts as values of the options' types; raise InvalidOption if not a number."""
    types = {option["name"]: option["type"] for option in options}
    return {name: _parse(name, types.get(name), text) for name, text in texts.items()}


def _parse(name: str, option_type: int | None, text: str) -> PlainValue:
    try:
        if option_type == ApplicationCommandOptionType.INTEGER:
            return int(text)
        if option_type == ApplicationCommandOptionType.NUMBER:
            return float(text)
    except ValueError:
        raise InvalidOption(f"The option {name} takes a number, not “{text[:40]}”.") from None
    if option_type == ApplicationCommandOptionType.BOOLEAN:
        value = _BOOLEANS.get(text.strip().lower())
        if value is None:
            raise InvalidOption(f"The option {name} takes true or false, not “{text[:40]}”.")
        return value
    return text
