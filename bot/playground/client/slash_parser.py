"""Parse a typed command line, for example "/imagine a red house seed:7", into option texts."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.playground.errors import Json, PlaygroundError, UnknownCommand
from bot.playground.model.attachments import Upload
from bot.playground.model.enums import ApplicationCommandOptionType
from bot.playground.model.subcommands import InvokableCommand, invokable_commands


@dataclass(frozen=True)
class ParsedCommand:
    """A command and the text of each option."""

    command: InvokableCommand
    texts: dict[str, str]


def parse_command(commands: Iterable[Json], line: str) -> ParsedCommand:
    """Split a line into option texts; raise UnknownCommand if no command matches.

    Text before the first "option:" belongs to the command's first string option.
    """
    text = line.strip().removeprefix("/").strip()
    slash_commands = invokable_commands(c for c in commands if c["type"] == 1)
    command, rest = _split_command(slash_commands, text)
    names = "|".join(re.escape(option["name"]) for option in command.options) or "(?!)"
    parts = re.split(rf"(?:^|\s)({names}):\s*", rest)
    texts = dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))
    first_option = _first_of_type(command.options, ApplicationCommandOptionType.STRING)
    if parts[0].strip() and first_option:
        texts.setdefault(first_option, parts[0].strip())
    return ParsedCommand(command, texts)


def _split_command(commands: list[InvokableCommand], line: str) -> tuple[InvokableCommand, str]:
    """Return the command that the line starts with, and the rest of the line."""
    for command in commands:
        pattern = r"\s+".join(map(re.escape, command.name.split()))
        if match := re.match(rf"{pattern}(?!\S)", line):
            return command, line[match.end() :]
    if not commands:
        raise UnknownCommand("The bot has not registered its commands yet. Try again in a moment.")
    name = line.partition(" ")[0]
    subcommands = [command for command in commands if command.name.startswith(f"{name} ")]
    suggestions = ", ".join(f"/{command.name}" for command in subcommands or commands)
    unknown_name = " ".join(line.split()[:2]) if subcommands else name
    raise UnknownCommand(f"There is no command /{unknown_name[:40]}. There is: {suggestions}.")


def option_files(
    command: InvokableCommand, named: Mapping[str, Upload], others: Sequence[Upload]
) -> dict[str, Upload]:
    """Return files by attachment option: the named ones, and others for the options left.

    Raise PlaygroundError if the command has no such option, or fewer than there are files.
    """
    kind = ApplicationCommandOptionType.ATTACHMENT
    options = [option["name"] for option in command.options if option["type"] == kind]
    for name in named:
        if name not in options:
            raise PlaygroundError(f"/{command.name} takes no file called {name}.")
    free = [name for name in options if name not in named]
    if len(others) > len(free):
        limit = f"at most {len(options)} files" if len(options) > 1 else "one file"
        raise PlaygroundError(f"/{command.name} takes {limit if options else 'no file'}.")
    return {**named, **dict(zip(free, others, strict=False))}


def _first_of_type(options: list[Json], type: ApplicationCommandOptionType) -> str | None:
    return next((option["name"] for option in options if option["type"] == type), None)
