"""How large an uploaded file may be.

https://docs.discord.com/developers/reference#uploading-files
"""

from bot.playground.model.guild import Guild
from bot.playground.model.interactions import Interaction
from bot.playground.model.state import World

TIER_LIMITS = {2: 50 * 1024 * 1024, 3: 100 * 1024 * 1024}
"""Bytes per file by the boost tier of a guild; in lower tiers, the default."""


def guild_limit(world: World, guild: Guild | None) -> int:
    """Return the bytes that a file may have in a guild, or without one in a DM channel."""
    tier_limit = TIER_LIMITS.get(guild.premium_tier, 0) if guild else 0
    return max(world.file_limit, tier_limit)


def interaction_limit(interaction: Interaction) -> int:
    """Return the bytes that a file in a response may have: the user's subscription counts too."""
    limit = guild_limit(interaction.world, interaction.channel.guild)
    return max(limit, interaction.user.file_limit)
