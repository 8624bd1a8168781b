"""Classify Discord channels by whether they may show flagged pictures."""

import logging
from collections.abc import Sequence

import discord

from bot.db.guild_settings import GuildSettingsStore
from bot.domain.nsfw import (
    UNKNOWN_CHANNEL,
    ChannelContext,
    ChannelInfo,
    ChannelKind,
    NsfwPolicy,
    nsfw_policy,
)
from bot.domain.picture import Picture
from bot.domain.visibility import VisiblePictures, visible_in
from bot.messages.discord_errors import (
    ContentRejected,
    MessageGone,
    TokenExpired,
    translated_errors,
)

log = logging.getLogger(__name__)


def from_interaction(interaction: discord.Interaction[discord.Client]) -> ChannelContext:
    """The channel of an interaction, from the event and the cache alone."""
    if interaction.guild_id is not None and not interaction.is_guild_integration():
        return ChannelContext(kind=ChannelKind.USER_INSTALL)
    if interaction.context.private_channel:
        return ChannelContext(kind=ChannelKind.PRIVATE_CHANNEL)
    return from_channel(interaction.channel)


def from_channel(channel: object) -> ChannelContext:
    """A discord.py channel as our type; a thread counts as its parent channel."""
    if isinstance(channel, discord.DMChannel):
        return ChannelContext(kind=ChannelKind.BOT_DM)
    if isinstance(channel, discord.GroupChannel):
        return ChannelContext(kind=ChannelKind.PRIVATE_CHANNEL)
    if isinstance(channel, discord.Thread):
        return _from_guild_channel(channel.guild, channel.parent)
    if isinstance(channel, discord.abc.GuildChannel):
        return _from_guild_channel(channel.guild, channel)
    return UNKNOWN_CHANNEL


def _from_guild_channel(
    guild: discord.Guild, channel: discord.abc.GuildChannel | None
) -> ChannelContext:
    is_age_restricted = getattr(channel, "nsfw", None)
    if channel is None or not isinstance(is_age_restricted, bool):
        return UNKNOWN_CHANNEL
    return ChannelContext(
        kind=ChannelKind.GUILD,
        guild_id=guild.id,
        channel=ChannelInfo(channel.id, is_age_restricted),
    )


def is_token_only(client: discord.Client, guild_id: int | None) -> bool:
    """Whether messages in this guild need an interaction token, because the bot is no member.

    So it is in a guild that has only the application's commands. False before the gateway is ready:
    until then, no guild is known.
    """
    return guild_id is not None and client.is_ready() and client.get_guild(guild_id) is None


def is_reached_by_token_only(interaction: discord.Interaction[discord.Client]) -> bool:
    """Whether only its token can write where an interaction comes from.

    So it is where the bot is no member: in such a guild, in a group, and in the direct messages of
    others.
    """
    if interaction.context.private_channel:
        return True
    return is_token_only(interaction.client, interaction.guild_id)


def is_guest(interaction: discord.Interaction[discord.Client]) -> bool:
    """Whether an interaction comes from a guild that has neither the bot nor its commands: its user
    has installed the application for themselves."""
    is_installed = interaction.is_guild_integration()
    return not is_installed and is_token_only(interaction.client, interaction.guild_id)


class ChannelResolver:
    """Fetches a channel from Discord each time, because it may have changed since a job began."""

    def __init__(self, client: discord.Client, guild_settings: GuildSettingsStore) -> None:
        self._client = client
        self._guild_settings = guild_settings

    def is_token_only(self, guild_id: int | None) -> bool:
        """As the function of this module."""
        return is_token_only(self._client, guild_id)

    async def nsfw_policy(self, channel_id: int) -> NsfwPolicy:
        """What the channel does with flagged pictures now.

        Raises DeliveryFailed if Discord cannot be asked.
        """
        channel = await self._fetch(channel_id)
        settings = await self._guild_settings.get(channel.guild_id)
        return nsfw_policy(channel, settings.nsfw)

    async def visible_in(self, pictures: Sequence[Picture], channel_id: int) -> VisiblePictures:
        """The pictures as visible in this channel now.

        Queries Discord only if one of them is flagged. Raises as `nsfw_policy` does.
        """
        is_flagged = any(picture.is_flagged_but_kept for picture in pictures)
        return visible_in(
            pictures, await self.nsfw_policy(channel_id) if is_flagged else NsfwPolicy.BLOCK
        )

    async def _fetch(self, channel_id: int) -> ChannelContext:
        """Raises DeliveryFailed if a later attempt may tell more."""
        try:
            with translated_errors(by_token=False):
                return await self._fetch_from_discord(channel_id)
        except (discord.InvalidData, MessageGone, TokenExpired, ContentRejected) as error:
            # a channel of an unknown type, or a final answer
            log.warning("Channel %d cannot be fetched: %s", channel_id, error)
            return UNKNOWN_CHANNEL

    async def _fetch_from_discord(self, channel_id: int) -> ChannelContext:
        channel = await self._client.fetch_channel(channel_id)
        if isinstance(channel, discord.Thread):
            parent = await self._client.fetch_channel(channel.parent_id)
            return from_channel(parent) if _is_same_guild(channel, parent) else UNKNOWN_CHANNEL
        return from_channel(channel)


def _is_same_guild(thread: discord.Thread, parent: object) -> bool:
    return isinstance(parent, discord.abc.GuildChannel) and parent.guild == thread.guild
