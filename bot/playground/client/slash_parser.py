"""What a person types into the page, "/imagine a red house seed:7", cut into options."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.playground.errors import Json, UnknownCommand
from bot.playground.model.enums import ApplicationCommandOptionType
from bot.playground.model.subcommands import InvokableCommand, invokable_commands


@dataclass(frozen=True)
class ParsedCommand:
    """A command that can be used, and the text given for each option."""

    used: InvokableCommand
    texts: dict[str, str]


def parse_command(commands: Iterable[Json], line: str) -> ParsedCommand:
    """Cut a line into options; raise UnknownCommand in words.

    Text before the first "option:" belongs to the command's first text option.
    """
    words = line.strip().removeprefix("/").strip()
    used, rest = _begun(invokable_commands(c for c in commands if c["type"] == 1), words)
    names = "|".join(re.escape(option["name"]) for option in used.options) or "(?!)"
    pieces = re.split(rf"(?:^|\s)({names}):\s*", rest)
    texts = dict(zip(pieces[1::2], (piece.strip() for piece in pieces[2::2]), strict=True))
    first = next(
        (o["name"] for o in used.options if o["type"] == ApplicationCommandOptionType.STRING), None
    )
    if pieces[0].strip() and first:
        texts.setdefault(first, pieces[0].strip())
    return ParsedCommand(used, texts)


def _begun(offered: list[InvokableCommand], line: str) -> tuple[InvokableCommand, str]:
    """The command that a line begins with, and what comes after it."""
    for known in offered:
        pattern = r"\s+".join(map(re.escape, known.name.split()))
        if begun := re.match(rf"{pattern}(?!\S)", line):
            return known, line[begun.end() :]
    name = line.partition(" ")[0]
    near = [known for known in offered if known.name.startswith(f"{name} ")]
    there = ", ".join(f"/{known.name}" for known in near or offered)
    wrong = " ".join(line.split()[:2]) if near else name
    raise UnknownCommand(f"There is no command /{wrong[:40]}. There is: {there or 'none yet'}.")


def first_file_option(options: list[Json]) -> str | None:
    """The option that an attached file goes to."""
    return next(
        (o["name"] for o in options if o["type"] == ApplicationCommandOptionType.ATTACHMENT), None
    )
