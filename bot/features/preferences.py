"""The preferences that count where an interaction or a reaction comes from."""

import discord

from bot.context import Interaction, services
from bot.domain.preferences import Preferences


def settings_channel_id(channel: object, channel_id: int | None) -> int | None:
    """The channel whose settings count in this one: for a thread, its parent."""
    return channel.parent_id if isinstance(channel, discord.Thread) else channel_id


def preferences_of(interaction: Interaction) -> Preferences:
    """What counts for the user of an interaction in its channel."""
    return services(interaction).preferences.of(
        interaction.guild_id,
        settings_channel_id(interaction.channel, interaction.channel_id),
        interaction.user.id,
    )
