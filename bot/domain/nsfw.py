"""Which channels may show flagged pictures; pure. In doubt, none."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec


class NsfwPolicy(StrEnum):
    """How pictures are shown that the safety check flagged."""

    BLOCK = "block"
    """Not at all."""
    SPOILER = "spoiler"
    """Blurred until a user clicks on them."""
    ALLOW = "allow"
    """Like other pictures."""


class ChannelKind(StrEnum):
    """The kinds of channels, as in Discord's interaction contexts."""

    GUILD = "server"
    """A channel, thread or forum post of a guild that the bot is a member of."""
    BOT_DM = "direct"
    """The direct messages of one user with the bot."""
    PRIVATE_CHANNEL = "group"
    """Direct messages or a group between other users."""
    USER_INSTALL = "guest"
    """Any channel where a user uses the bot that they installed for themselves."""
    UNKNOWN = "unknown"


class ChannelInfo(msgspec.Struct, frozen=True):
    """A channel of a guild."""

    id: int
    is_age_restricted: bool


class ChannelContext(msgspec.Struct, frozen=True, kw_only=True):
    """The channel of a message, as far as it is known."""

    kind: ChannelKind = ChannelKind.UNKNOWN
    guild_id: int | None = None
    channel: ChannelInfo | None = None
    """Of a thread or forum post, the parent channel."""


UNKNOWN_CHANNEL: Final = ChannelContext()


class NsfwSettings(msgspec.Struct, frozen=True):
    """The policy of a guild, and of those of its channels that have their own."""

    guild: NsfwPolicy = NsfwPolicy.BLOCK
    channels: Mapping[int, NsfwPolicy] = {}


def nsfw_policy(context: ChannelContext, settings: NsfwSettings) -> NsfwPolicy:
    """The policy for a channel.

    A guild's settings apply only to its age-restricted channels; the policy is BLOCK elsewhere.
    """
    if context.kind is not ChannelKind.GUILD or context.guild_id is None or context.channel is None:
        return NsfwPolicy.BLOCK
    if context.channel.is_age_restricted is not True:
        return NsfwPolicy.BLOCK
    return settings.channels.get(context.channel.id, settings.guild)
