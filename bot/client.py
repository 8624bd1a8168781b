"""The Discord client: few intents, no pings, an explicit list of features, no silence."""

import logging
from typing import Final

import discord
from discord import app_commands

from bot.desk import Desk
from bot.features import (
    admin,
    answers,
    buttons,
    imagine,
    nsfw,  # noqa: F401 # adds its command to the group of admin
    reactions,
)

READY_SECONDS: Final = 0.05
"""How long to wait for one more guild before saying that all are known; nothing depends on it."""
log = logging.getLogger(__name__)


def _intents() -> discord.Intents:
    intents = discord.Intents.none()
    intents.guilds = True
    intents.guild_reactions = True
    intents.dm_reactions = True
    return intents


class Client(discord.Client):
    """discord.py's client with our features; `desk` must be set before it starts."""

    desk: Desk

    def __init__(self) -> None:
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # nobody speaks here
        super().__init__(
            intents=_intents(),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            chunk_guilds_at_startup=False,
            guild_ready_timeout=READY_SECONDS,
        )
        self.tree = app_commands.CommandTree(self)
        self.tree.error(answers.explain)
        self.tree.add_command(imagine.command)
        self.tree.add_command(admin.group)
        self.add_dynamic_items(*buttons.items)

    async def setup_hook(self) -> None:
        """Tell Discord our commands; the same ones again cost nothing of the daily allowance."""
        await self.tree.sync()

    async def on_ready(self) -> None:
        """Say so in the log; happens again after each lost session."""
        log.info("Connected to Discord as %s.", self.user)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Answer presses of buttons that no feature knows."""
        await buttons.catch_unknown(interaction)

    async def on_raw_reaction_add(self, reaction: discord.RawReactionActionEvent) -> None:
        """Somebody reacted to a message."""
        if self.user is None or reaction.user_id != self.user.id:
            await reactions.added(self, reaction)

    async def on_raw_reaction_remove(self, reaction: discord.RawReactionActionEvent) -> None:
        """Somebody took a reaction back."""
        await reactions.removed(self, reaction)
