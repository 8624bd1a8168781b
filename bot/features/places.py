"""Where Discord offers the commands that paint, or that concern their user alone: everywhere."""

from typing import Final, TypeVar

from discord import app_commands

from bot.context import Interaction
from bot.messages import channels
from bot.messages.help_pages import RootCommand

CONTEXTS: Final = app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True)
INSTALLS: Final = app_commands.AppInstallationType(guild=True, user=True)
T = TypeVar("T")


def everywhere(command: T) -> T:
    """Offer a command in servers that installed the bot and in direct messages with it, and to
    users who installed it for themselves in other servers and chats too."""
    contexts = app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    return contexts(app_commands.allowed_installs(guilds=True, users=True)(command))


def is_offered(interaction: Interaction, command: RootCommand) -> bool:
    """Whether Discord offers a command where an interaction comes from."""
    contexts, installs = command.allowed_contexts, command.allowed_installs
    if interaction.context.private_channel:
        return contexts is not None and contexts.private_channel
    if channels.is_guest(interaction):
        return installs is not None and installs.user
    is_in_guild = interaction.guild_id is not None
    return contexts is None or (contexts.guild if is_in_guild else contexts.dm_channel)
