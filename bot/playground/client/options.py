"""What a person's client does with a command's options: check them, and put them into shape."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bot.playground.errors import InvalidOption, Json
from bot.playground.model.attachments import Upload
from bot.playground.model.enums import ApplicationCommandOptionType
from bot.playground.model.subcommands import InvokableCommand

SAFE_INTEGER = 2**53 - 1
STRING_LIMIT = 6000


class NamedObject(Protocol):
    """A person, a channel or a role."""

    @property
    def id(self) -> int:
        """Its id."""

    @property
    def name(self) -> str:
        """What people call it."""


PlainValue = str | int | float | bool | Upload
Value = PlainValue | NamedObject


@dataclass
class FilledOptions:
    """A command's options as an interaction carries them, and the files they bring."""

    options: list[Json] = field(default_factory=list)
    uploads: dict[str, Upload] = field(default_factory=dict)


def fill(
    used: InvokableCommand, values: Mapping[str, PlainValue], *, checked: bool = True
) -> FilledOptions:
    """Fill in a command's own options as Discord's client does, not yet nested.

    Raise InvalidOption, in words, when the client would not send it. Unchecked, values go through
    as they are: a client that is not Discord's may send anything of the right JSON type.
    """
    filled = FilledOptions()
    known = {option["name"]: option for option in used.options}
    for name in values:
        if name not in known:
            raise InvalidOption(f"/{used.name} has no option called {name}.")
    for name, option in known.items():
        if name in values:
            _fill_one(filled, option, values[name], checked)
        elif option.get("required") and checked:
            raise InvalidOption(f"The option {name} is required.")
    return filled


def _fill_one(filled: FilledOptions, option: Json, value: PlainValue, checked: bool) -> None:
    name, kind = option["name"], option["type"]
    if kind == ApplicationCommandOptionType.ATTACHMENT:
        if not isinstance(value, Upload):
            raise InvalidOption(f"The option {name} takes a file.")
        filled.uploads[name] = value
        filled.options.append({"name": name, "type": kind, "value": name})
        return
    if isinstance(value, Upload):
        raise InvalidOption(f"The option {name} takes no file.")
    if checked:
        value = _checked(option, value)
    filled.options.append({"name": name, "type": kind, "value": value})


def _checked(option: Json, value: str | float | bool) -> str | float | bool:
    choices = option.get("choices")
    if choices:
        return _chosen(option["name"], choices, value)
    match option["type"]:
        case ApplicationCommandOptionType.STRING:
            return _text(option, value)
        case ApplicationCommandOptionType.INTEGER | ApplicationCommandOptionType.NUMBER:
            return _number(option, value)
        case ApplicationCommandOptionType.BOOLEAN if not isinstance(value, bool):
            raise InvalidOption(f"The option {option['name']} is true or false.")
    return value


def _chosen(name: str, choices: list[Json], value: object) -> str | float:
    for choice in choices:
        if value in (choice["value"], choice["name"]):
            chosen: str | float = choice["value"]
            return chosen
    names = ", ".join(str(choice["name"]) for choice in choices)
    raise InvalidOption(f"The option {name} takes one of: {names}.")


def _text(option: Json, value: object) -> str:
    name = option["name"]
    if not isinstance(value, str):
        raise InvalidOption(f"The option {name} takes text.")
    least = max(option.get("min_length") or 0, 1)
    most = option.get("max_length") or STRING_LIMIT
    if not least <= len(value) <= most:
        raise InvalidOption(f"The option {name} takes {least} to {most} characters.")
    return value


def _number(option: Json, value: object) -> float:
    name, whole = option["name"], option["type"] == ApplicationCommandOptionType.INTEGER
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise InvalidOption(f"The option {name} takes a {'whole ' if whole else ''}number.")
    low = option.get("min_value", -SAFE_INTEGER)
    high = option.get("max_value", SAFE_INTEGER)
    if not math.isfinite(value) or not low <= value <= high:
        raise InvalidOption(f"The option {name} takes a number from {low} to {high}.")
    return value


def parse_values(options: list[Json], texts: Mapping[str, str]) -> dict[str, PlainValue]:
    """Typed text to values, as the client's option boxes do; raise InvalidOption in words."""
    kinds = {option["name"]: option["type"] for option in options}
    return {name: _parse(name, kinds.get(name), text) for name, text in texts.items()}


def _parse(name: str, kind: int | None, text: str) -> PlainValue:
    try:
        if kind == ApplicationCommandOptionType.INTEGER:
            return int(text)
        if kind == ApplicationCommandOptionType.NUMBER:
            return float(text)
    except ValueError:
        raise InvalidOption(f"The option {name} takes a number, not “{text[:40]}”.") from None
    if kind == ApplicationCommandOptionType.BOOLEAN:
        return text.strip().lower() in ("true", "yes", "1")
    return text
