"""The preferences that count where an interaction or a reaction comes from."""

import discord

from bot.context import Interaction, services
from bot.domain.preferences import Preferences
from bot.messages import channels


def settings_channel_id(channel: object, channel_id: int | None) -> int | None:
    """The channel whose settings count in this one: for a thread, its parent."""
    return channel.parent_id if isinstance(channel, discord.Thread) else channel_id


def settings_guild_id(interaction: Interaction) -> int | None:
    """The guild whose settings count where an interaction comes from; None if there is none, or if
    it has not installed the bot."""
    return None if channels.is_guest(interaction) else interaction.guild_id


def preferences_of(interaction: Interaction) -> Preferences:
    """What counts for the user of an interaction in its channel."""
    return services(interaction).preferences.of(
        settings_guild_id(interaction),
        settings_channel_id(interaction.channel, interaction.channel_id),
        interaction.user.id,
    )
