"""What a person types into the page, "/imagine a red house seed:7", cut into options."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.playground.command_rules import Option
from bot.playground.errors import Json, UnknownCommand


@dataclass(frozen=True)
class Typed:
    """A registered command and the text given for each option."""

    command: Json
    texts: dict[str, str]


def parse_line(commands: Iterable[Json], line: str) -> Typed:
    """Cut a line into options; raise UnknownCommand in words.

    Text before the first "option:" belongs to the command's first text option.
    """
    name, _, rest = line.strip().removeprefix("/").partition(" ")
    offered = {command["name"]: command for command in commands if command["type"] == 1}
    command = offered.get(name)
    if command is None:
        known = ", ".join(f"/{offer}" for offer in offered)
        raise UnknownCommand(f"There is no command /{name[:40]}. There is: {known or 'none yet'}.")
    options = command.get("options") or []
    names = "|".join(re.escape(option["name"]) for option in options) or "(?!)"
    pieces = re.split(rf"(?:^|\s)({names}):\s*", rest)
    texts = dict(zip(pieces[1::2], (piece.strip() for piece in pieces[2::2]), strict=True))
    first = next((o["name"] for o in options if o["type"] == Option.STRING), None)
    if pieces[0].strip() and first:
        texts.setdefault(first, pieces[0].strip())
    return Typed(command, texts)


def first_file_option(command: Json) -> str | None:
    """The option that an attached file goes to."""
    options = command.get("options") or []
    return next((o["name"] for o in options if o["type"] == Option.ATTACHMENT), None)
