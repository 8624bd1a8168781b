"""Commands with subcommands: registered as a tree, invoked by their full name."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bot.playground.errors import Json, UnknownCommand
from bot.playground.model.enums import ApplicationCommandOptionType

SUBCOMMAND_TYPES = frozenset(
    {ApplicationCommandOptionType.SUB_COMMAND, ApplicationCommandOptionType.SUB_COMMAND_GROUP}
)


@dataclass(frozen=True)
class InvokableCommand:
    """A command without subcommands, or a subcommand with the path that leads to it."""

    command: Json
    path: tuple[Json, ...] = ()

    @property
    def name(self) -> str:
        """The full name, for example "admin rules add"."""
        return " ".join(str(item["name"]) for item in (self.command, *self.path))

    def description(self, locale: str) -> str:
        """The description of the command or subcommand, in this locale if it is translated."""
        return localized_description(self._leaf, locale)

    @property
    def options(self) -> list[Json]:
        """The options of the command or subcommand."""
        options: list[Json] = self._leaf.get("options") or []
        return options

    @property
    def _leaf(self) -> Json:
        return self.path[-1] if self.path else self.command

    def nest(self, options: list[Json]) -> list[Json]:
        """Wrap option values in those of the subcommand and its group, as in interaction data.

        https://docs.discord.com/developers/interactions/application-commands#subcommands-and-subcommand-groups
        """
        for parent in reversed(self.path):
            options = [{"name": parent["name"], "type": parent["type"], "options": options}]
        return options


def localized_description(item: Json, locale: str) -> str:
    """The description of a command or option, in this locale if it is translated."""
    localizations: Json = item.get("description_localizations") or {}
    return str(localizations.get(locale) or item["description"])


def invokable_commands(commands: Iterable[Json]) -> list[InvokableCommand]:
    """Return the commands and subcommands that can be invoked, in order of registration."""
    return [leaf for command in commands for leaf in _leaves(InvokableCommand(command))]


def _leaves(node: InvokableCommand) -> Iterator[InvokableCommand]:
    subcommands = [option for option in node.options if option["type"] in SUBCOMMAND_TYPES]
    is_group = bool(node.path) and (
        node.path[-1]["type"] == ApplicationCommandOptionType.SUB_COMMAND_GROUP
    )
    if not subcommands and not is_group:
        yield node
    for option in subcommands:
        yield from _leaves(InvokableCommand(node.command, (*node.path, option)))


def find_command(commands: list[InvokableCommand], name: str) -> InvokableCommand:
    """Return the command with this full name; raise UnknownCommand, which lists subcommands."""
    for command in commands:
        if command.name == name:
            return command
    subcommands = [f"/{c.name}" for c in commands if c.name.startswith(f"{name} ")]
    suggestion = f" There is: {', '.join(subcommands)}." if subcommands else ""
    raise UnknownCommand(f"There is no command called /{name} here.{suggestion}")


def command_name(data: Json) -> str:
    """Return the full name of the command in an interaction's data."""
    names = [str(data["name"])]
    options = data.get("options") or []
    while options and options[0]["type"] in SUBCOMMAND_TYPES:
        names.append(str(options[0]["name"]))
        options = options[0].get("options") or []
    return " ".join(names)
