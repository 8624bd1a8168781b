"""Where flagged pictures may be shown; pure. In doubt, nowhere."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec


class NsfwPolicy(StrEnum):
    """What becomes of pictures that the safety check flagged."""

    BLOCK = "block"
    """They are withheld."""
    SPOILER = "spoiler"
    """They are blurred until somebody clicks on them."""
    ALLOW = "allow"
    """They are shown."""


class ChannelKind(StrEnum):
    """What a place is."""

    GUILD = "server"
    """A channel, thread or post of a server that invited the bot."""
    BOT_DM = "direct"
    """Direct messages with one person."""
    PRIVATE_CHANNEL = "group"
    """Direct messages of several people."""
    USER_INSTALL = "guest"
    """Anywhere at all, brought along by a person who installed the bot for themselves."""
    UNKNOWN = "unknown"


class ChannelInfo(msgspec.Struct, frozen=True):
    """A channel of a server."""

    id: int
    is_age_restricted: bool


class ChannelContext(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message stands, as far as that is known."""

    kind: ChannelKind = ChannelKind.UNKNOWN
    guild_id: int | None = None
    channel: ChannelInfo | None = None
    """The channel; of a thread or a forum's post, the channel that it is in."""


UNKNOWN_CHANNEL: Final = ChannelContext()


class NsfwSettings(msgspec.Struct, frozen=True):
    """What those who manage a server chose for it as a whole, and for some of its channels."""

    guild: NsfwPolicy = NsfwPolicy.BLOCK
    channels: Mapping[int, NsfwPolicy] = {}


def nsfw_policy(context: ChannelContext, settings: NsfwSettings) -> NsfwPolicy:
    """What a place makes of flagged pictures: what was chosen counts in the age-restricted channels
    of a server alone."""
    if context.kind is not ChannelKind.GUILD or context.guild_id is None or context.channel is None:
        return NsfwPolicy.BLOCK
    if context.channel.is_age_restricted is not True:
        return NsfwPolicy.BLOCK
    return settings.channels.get(context.channel.id, settings.guild)
