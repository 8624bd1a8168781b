"""The Discord client: minimal intents, no pings, and the features that it registers."""

import asyncio
import logging
import re
from collections.abc import Sequence
from typing import Any, Final

import aiohttp
import discord

from bot.context import BotClient, Interaction, Services
from bot.features import FEATURES
from bot.features.exports import Component, Exports, ReactionClear
from bot.features.job_buttons import job_components
from bot.features.responses import (
    CommandTree,
    handle_errors,
    keep_private,
    reset_menu,
    respond_ephemeral,
    use_language_of,
)
from bot.features.restrictions import command_names, restricted
from bot.gateway.identify_limit import IDENTIFY_SECONDS
from bot.gateway.translator import CommandTranslator
from bot.i18n import N_, _, set_language

READY_SECONDS: Final = 0.05
"""How long to wait for one more guild before the client is ready; nothing depends on it."""
_RESTRICTED: Final = tuple(map(restricted, FEATURES))
ACTIONS: Final = tuple(action for feature in _RESTRICTED for action in feature.actions)
"""The actions of all features."""
COMPONENTS: Final = (
    *(component for feature in _RESTRICTED for component in feature.components),
    job_components(ACTIONS),
)
"""The buttons and menus of all features."""
_CANCEL_SECONDS: Final = 1.0
"""For cancelled handlers to clean up, while the connection to Discord is still open."""
_MODALS: Final = tuple(modal for feature in _RESTRICTED for modal in feature.modals)
_OLD_FORM: Final = N_("That form no longer works. Please open it again.")
_OLD_BUTTON: Final = N_("That button no longer works. Try /imagine.")
log = logging.getLogger(__name__)


def _intents() -> discord.Intents:
    intents = discord.Intents.none()
    intents.guilds = True
    intents.moderation = True  # bans
    intents.guild_messages = intents.dm_messages = True  # replies that mention the bot
    intents.guild_reactions = True
    intents.dm_reactions = True
    return intents


class Client(BotClient):
    """discord.py's client with the bot's features."""

    def __init__(
        self,
        trace: aiohttp.TraceConfig,
        proxy: str | None = None,
        features: Sequence[Exports] = FEATURES,
        identify_interval: float = IDENTIFY_SECONDS,
    ) -> None:
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # voice is unused
        super().__init__(
            identify_interval=identify_interval,
            intents=_intents(),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            chunk_guilds_at_startup=False,
            guild_ready_timeout=READY_SECONDS,
            http_trace=trace,
            proxy=proxy,
        )
        self._features = features
        self._has_new_session = False
        self._start_up = asyncio.Lock()
        self._start_up_waits = False
        self.handlers = set()
        self.restrictable_commands = tuple(
            name
            for feature in features
            if not feature.is_always_allowed
            for name in command_names(feature)
        )
        self.tree = CommandTree(self)
        self.actions = [action for feature in features for action in feature.actions]
        self.reactions = {e: text for feature in features for e, text in feature.reactions.items()}
        for feature in self._features:
            for command in feature.commands:
                self.tree.add_command(command)

    async def setup_hook(self) -> None:
        """Register the commands, with their texts in all languages; unchanged ones do not count
        against Discord's daily limit."""
        await self.tree.set_translator(CommandTranslator())
        await self.tree.sync()

    async def serve(self, services: Services) -> None:
        """Connect, and answer events with these services until the connection is closed."""
        self.services = services
        await self.connect()

    async def drain(self, seconds: float) -> None:
        """Wait up to `seconds` for running handlers, then cancel the rest."""
        if not self.handlers:
            return
        late = (await asyncio.wait(self.handlers, timeout=seconds))[1]
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_CANCEL_SECONDS)

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 # as discord.py
        """Call the handlers of an event, except after `close`.

        discord.py becomes ready even then, and would fail as it calls the handlers.
        """
        if not self.is_closed():
            super().dispatch(event, *args, **kwargs)

    async def on_shard_ready(self, shard_id: int) -> None:
        """A shard has a new session."""
        self._has_new_session = True
        await self.on_shard_resumed(shard_id)

    async def on_shard_resumed(self, shard_id: int) -> None:
        """The session of a shard goes on after an interruption.

        Once all shards are ready, the start-up work is done if one of them has a new session.
        """
        self.mark_ready(shard_id)
        if not self.online or not self._has_new_session:
            return
        self._has_new_session = False
        self.track_current_task()
        log.info("Connected to Discord as %s.", self.user)
        await self.start_up()

    async def start_up(self) -> None:
        """Do the start-up work of the features, one run at a time.

        Sessions may begin while the work of the last ones goes on.
        """
        if self._start_up_waits:
            return  # the run that waits has not begun, so it does this one's work
        self._start_up_waits = True
        async with self._start_up:
            self._start_up_waits = False
            await self._do_start_up_work()

    async def _do_start_up_work(self) -> None:
        for feature in self._features:
            for work in feature.on_ready:
                try:
                    await work(self)
                except Exception:  # the start-up work of other features goes on
                    log.exception("Start-up work failed until the next connection.")

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Handle buttons, menus and modals; views that discord.py keeps would end at a restart."""
        if interaction.type is discord.InteractionType.modal_submit:
            await _handle(interaction, _MODALS, _OLD_FORM)
        elif interaction.type is discord.InteractionType.component:
            await _handle(interaction, COMPONENTS, _OLD_BUTTON)

    async def on_message(self, message: discord.Message) -> None:
        """Somebody sent a message."""
        self.track_current_task()
        guild_id = None if message.guild is None else message.guild.id
        self._set_language(message.author.id, guild_id, message.channel.id)
        for feature in self._features:
            for handle in feature.on_message:
                await handle(self, message)

    async def on_raw_reaction_add(self, reaction: discord.RawReactionActionEvent) -> None:
        """A user reacted to a message."""
        self.track_current_task()
        self._set_language(reaction.user_id, reaction.guild_id, reaction.channel_id)
        for feature in self._features:
            for handle in feature.on_reaction_add:
                await handle(self, reaction)

    async def on_raw_reaction_remove(self, reaction: discord.RawReactionActionEvent) -> None:
        """A user took a reaction back."""
        for feature in self._features:
            for handle in feature.on_reaction_remove:
                await handle(self, reaction)

    async def on_raw_reaction_clear(self, event: ReactionClear) -> None:
        """All reactions to a message were removed at once, or all with one emoji."""
        for feature in self._features:
            for handle in feature.on_reaction_clear:
                await handle(self, event)

    on_raw_reaction_clear_emoji = on_raw_reaction_clear

    def _set_language(self, user_id: int, guild_id: int | None, channel_id: int) -> None:
        """Reply to an event without a locale in the language of the place where it happened."""
        set_language(self.services.languages.in_place(user_id, guild_id, channel_id))

    async def on_member_ban(
        self, guild: discord.Guild, user: discord.User | discord.Member
    ) -> None:
        """A user was banned from a guild."""
        self.track_current_task()
        for feature in self._features:
            for handle in feature.on_ban:
                await handle(self, guild.id, user.id)


async def _handle(interaction: Interaction, components: Sequence[Component], unknown: str) -> None:
    """Handle the use of the component with this custom id, or respond that it is unknown."""
    use_language_of(interaction)
    data: dict[str, Any] = dict(interaction.data or {})
    custom_id = str(data.get("custom_id"))
    for component in components:
        match = re.fullmatch(component.pattern, custom_id)
        if match is not None:
            async with handle_errors(interaction):
                await keep_private(interaction, match.groupdict().get("job"))
                await component.on_use(interaction, match)
            await reset_menu(interaction)
            return
    interaction.client.track_current_task()
    await respond_ephemeral(interaction, _(unknown))
