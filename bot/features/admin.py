"""/admin: what those who manage a server can set there; each feature adds commands of its own."""

from typing import Final

import discord
from discord import app_commands

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
