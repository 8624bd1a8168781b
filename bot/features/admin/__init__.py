"""/admin: what those who manage a server can set there; each module adds commands of its own."""

from typing import Annotated, Final

import discord
from discord import AppCommandOptionType as OptionType
from discord import app_commands
from discord.app_commands.transformers import RangeTransformer

from bot.context import Interaction
from bot.errors import Refused

Page = Annotated[int, RangeTransformer(OptionType.integer, min=1, max=10_000)]

group: Final = app_commands.Group(
    name="admin",
    description="For those who manage this server",
    default_permissions=discord.Permissions(manage_guild=True),
    allowed_contexts=app_commands.AppCommandContext(
        guild=True, dm_channel=False, private_channel=False
    ),
    allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
)
"""Shown to members who may manage the server, unless its own settings name others."""


def managed_guild(interaction: Interaction) -> int:
    """The server that this is about. Raises Refused for those who may not decide there.

    Who is shown /admin is up to the server; those who may not even delete messages there never may.
    """
    may = interaction.permissions
    allowed = may.manage_guild or may.manage_messages or may.administrator
    if interaction.guild_id is None or not allowed:
        raise Refused("Only those who manage this server, and its moderators, can do this.")
    return interaction.guild_id
