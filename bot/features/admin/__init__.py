"""/admin: settings and moderation of a guild; each module has commands of this group."""

from typing import Final

import discord
from discord import app_commands

from bot.features.admin import (
    audit,
    blocks,
    gallery,
    limits,
    mod_channel,
    nsfw,
    styles,
    wildcards,
    words,
)
from bot.features.exports import Exports


def _group() -> app_commands.Group:
    """Visible to members who manage the server, unless its integration settings say otherwise."""
    group = app_commands.Group(
        name="admin",
        description="Settings and moderation of this server",
        default_permissions=discord.Permissions(manage_guild=True),
        allowed_contexts=app_commands.AppCommandContext(
            guild=True, dm_channel=False, private_channel=False
        ),
        allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
    )
    modules = limits, words, blocks, audit, mod_channel, gallery, nsfw, styles, wildcards
    for module in modules:
        for command in module.commands:
            group.add_command(command)
    return group


exports: Final = Exports(commands=(_group(),), is_always_allowed=True)
