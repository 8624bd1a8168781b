"""Pure: commands with subcommands, registered as a tree and used by their words."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bot.playground.errors import Json, UnknownCommand
from bot.playground.model.enums import ApplicationCommandOptionType

BRANCHES = (
    ApplicationCommandOptionType.SUB_COMMAND,
    ApplicationCommandOptionType.SUB_COMMAND_GROUP,
)


@dataclass(frozen=True)
class InvokableCommand:
    """A command, or a subcommand with all that it stands below: what a person can use."""

    command: Json
    path: tuple[Json, ...] = ()

    @property
    def name(self) -> str:
        """All its words: "admin rules add"."""
        return " ".join(str(item["name"]) for item in (self.command, *self.path))

    @property
    def description(self) -> str:
        """What it does."""
        return str(self._last["description"])

    @property
    def options(self) -> list[Json]:
        """What a person fills in."""
        options: list[Json] = self._last.get("options") or []
        return options

    @property
    def _last(self) -> Json:
        return self.path[-1] if self.path else self.command

    def nested(self, filled: list[Json]) -> list[Json]:
        """Filled options as an interaction carries them: inside the subcommand's, and its group's.

        https://docs.discord.com/developers/interactions/application-commands#subcommands-and-subcommand-groups
        """
        for branch in reversed(self.path):
            filled = [{"name": branch["name"], "type": branch["type"], "options": filled}]
        return filled


def invokable_commands(commands: Iterable[Json]) -> list[InvokableCommand]:
    """All that can be used of these slash commands, in their order."""
    return [found for command in commands for found in _below(InvokableCommand(command))]


def _below(branch: InvokableCommand) -> Iterator[InvokableCommand]:
    branches = [option for option in branch.options if option["type"] in BRANCHES]
    if not branches and (
        not branch.path or branch.path[-1]["type"] == ApplicationCommandOptionType.SUB_COMMAND
    ):
        yield branch
    for option in branches:
        yield from _below(InvokableCommand(branch.command, (*branch.path, option)))


def find(offered: list[InvokableCommand], words: str) -> InvokableCommand:
    """The one of this name; raise UnknownCommand with those that could be meant."""
    for known in offered:
        if known.name == words:
            return known
    near = [f"/{known.name}" for known in offered if known.name.startswith(f"{words} ")]
    more = f" There is: {', '.join(near)}." if near else ""
    raise UnknownCommand(f"There is no command called /{words} here.{more}")


def used_name(data: Json) -> str:
    """The words of the command that an interaction's data tells of."""
    words = [str(data["name"])]
    options = data.get("options") or []
    while options and options[0]["type"] in BRANCHES:
        words.append(str(options[0]["name"]))
        options = options[0].get("options") or []
    return " ".join(words)
