"""discord.py's command tree with as many menu commands as Discord allows.

Discord allows 15 message commands and 15 user commands for each scope; discord.py 2.7 stops at 5.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import discord
from discord import app_commands
from discord.utils import MISSING

from bot.errors import ExitCode, FatalError

MAX_MENU_COMMANDS: Final = 15
"""Global commands of the Apps menu of messages, and as many of that of users."""

_ClientT = TypeVar("_ClientT", bound=discord.Client)
_AnyCommand = app_commands.Command[Any, ..., Any] | app_commands.ContextMenu | app_commands.Group


class LargeCommandTree(app_commands.CommandTree[_ClientT]):
    """A command tree with up to MAX_MENU_COMMANDS global commands in each Apps menu."""

    def add_command(
        self,
        command: _AnyCommand,
        /,
        *,
        guild: discord.abc.Snowflake | None = MISSING,
        guilds: Sequence[discord.abc.Snowflake] = MISSING,
        override: bool = False,
    ) -> None:
        """Add a command, as discord.py does.

        Raises CommandAlreadyRegistered, or FatalError if a menu has too many commands.
        """
        is_global = guild is MISSING and guilds is MISSING
        if not isinstance(command, app_commands.ContextMenu) or not is_global:
            super().add_command(command, guild=guild, guilds=guilds, override=override)
            return
        menus = [menu for menu in self.get_commands(type=command.type) if menu.name != command.name]
        if not override and self.get_command(command.name, type=command.type) is not None:
            raise app_commands.CommandAlreadyRegistered(command.name, None)
        if len(menus) >= MAX_MENU_COMMANDS:
            raise FatalError(
                f"The Apps menu of a {command.type.name} has at most {MAX_MENU_COMMANDS} commands; "
                f"“{command.name}” is one too many.",
                ExitCode.CRASHED,
            )
        self._context_menus[command.name, None, command.type.value] = command
