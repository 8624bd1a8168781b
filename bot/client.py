"""The Discord client: few intents, no pings, an explicit list of features, no silence."""

import asyncio
import logging
from typing import Final

import aiohttp
import discord
from discord import app_commands

from bot.context import BotClient, Services
from bot.features import (
    admin,
    full_size,
    imagine,
    privacy,
    reactions,
    report,
    report_cards,
    responses,
    result_buttons,
    stats,
)
from bot.features.admin import (  # noqa: F401 # each adds to /admin
    audit,
    blocks,
    limits,
    mod_channel,
    nsfw,
    words,
)

READY_SECONDS: Final = 0.05
"""How long to wait for one more guild before saying that all are known; nothing depends on it."""
ITEMS: Final = (*result_buttons.items, *report_cards.items, *privacy.items)
"""All kinds of buttons that work for ever."""
_TIDY_SECONDS: Final = 1.0
"""For that at the end; the time before a supervisor kills us is short."""
log = logging.getLogger(__name__)


def _intents() -> discord.Intents:
    intents = discord.Intents.none()
    intents.guilds = True
    intents.guild_reactions = True
    intents.dm_reactions = True
    return intents


class Client(BotClient):
    """discord.py's client with the bot's features."""

    def __init__(self, trace: aiohttp.TraceConfig) -> None:
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # nobody speaks here
        super().__init__(
            intents=_intents(),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            chunk_guilds_at_startup=False,
            guild_ready_timeout=READY_SECONDS,
            http_trace=trace,
        )
        self.online = False
        """Is the gateway connected and ready?"""
        self.said = set()
        self.passing = set()
        self.answering = set()
        self.tree = app_commands.CommandTree(self)
        self.tree.error(responses.explain)
        self.tree.add_command(imagine.command)
        self.tree.add_command(report.command)
        self.tree.add_command(report_cards.remove_command)
        self.tree.add_command(admin.group)
        self.tree.add_command(stats.command)
        self.tree.add_command(privacy.group)
        self.add_dynamic_items(*ITEMS)

    async def setup_hook(self) -> None:
        """Tell Discord our commands; the same ones again cost nothing of the daily allowance."""
        await self.tree.sync()

    async def serve(self, services: Services) -> None:
        """Connect, and answer events with these services until the connection is closed."""
        self.services = services
        await self.connect()

    async def drain(self, seconds: float) -> None:
        """Wait so long for what is being answered; what is not by then must be left."""
        if self.answering:
            _, late = await asyncio.wait(self.answering, timeout=seconds)
            for task in late:
                task.cancel()

    async def delete_temporary_messages(self) -> None:
        """Take away what stands for a moment only: after us nobody does."""
        for task in self.passing:
            task.cancel()
        if self.passing:
            await asyncio.wait(self.passing, timeout=_TIDY_SECONDS)

    async def on_ready(self) -> None:
        """Say so in the log; happens again after each lost session."""
        self.online = True
        log.info("Connected to Discord as %s.", self.user)
        await report_cards.catch_up(self)
        await full_size.catch_up(self)

    async def on_resumed(self) -> None:
        """A session goes on that was interrupted."""
        self.online = True

    async def on_disconnect(self) -> None:
        """Discord hung up, or cannot be reached; may be called again and again."""
        self.online = False

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Answer forms, and presses of buttons that no feature knows."""
        self.answers()
        await report.sent_in(interaction)
        await result_buttons.catch_unknown(interaction, ITEMS)

    async def on_raw_reaction_add(self, reaction: discord.RawReactionActionEvent) -> None:
        """Somebody reacted to a message."""
        self.answers()
        if self.user is None or reaction.user_id != self.user.id:
            await reactions.added(self, reaction)

    async def on_raw_reaction_remove(self, reaction: discord.RawReactionActionEvent) -> None:
        """Somebody took a reaction back."""
        await reactions.removed(self, reaction)
