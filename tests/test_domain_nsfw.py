"""Which channels may show flagged pictures."""

from itertools import product

import pytest

from bot.domain.nsfw import (
    UNKNOWN_CHANNEL,
    ChannelContext,
    ChannelInfo,
    ChannelKind,
    NsfwPolicy,
    NsfwSettings,
    nsfw_policy,
)

ROOMS = [None, ChannelInfo(10, False), ChannelInfo(10, True)]
SERVERS = [None, 1]
CHANNEL_SETTINGS = [
    {},
    *({10: policy} for policy in NsfwPolicy),
    *({11: policy} for policy in NsfwPolicy),
]
COMBINATIONS = list(product(ChannelKind, SERVERS, ROOMS, NsfwPolicy, CHANNEL_SETTINGS))


@pytest.mark.parametrize(("kind", "guild_id", "channel", "guild_policy", "channels"), COMBINATIONS)
def test_settings_apply_to_age_restricted_guild_channels_only(
    kind: ChannelKind,
    guild_id: int | None,
    channel: ChannelInfo | None,
    guild_policy: NsfwPolicy,
    channels: dict[int, NsfwPolicy],
) -> None:
    """The setting of the channel has precedence over that of the guild."""
    context = ChannelContext(kind=kind, guild_id=guild_id, channel=channel)
    policy = nsfw_policy(context, NsfwSettings(guild_policy, channels))
    if (
        kind is ChannelKind.GUILD
        and guild_id is not None
        and channel is not None
        and channel.is_age_restricted
    ):
        assert policy is channels.get(10, guild_policy)
    else:
        assert policy is NsfwPolicy.BLOCK


def test_the_default_is_to_block() -> None:
    """This holds even in age-restricted channels."""
    context = ChannelContext(kind=ChannelKind.GUILD, guild_id=1, channel=ChannelInfo(10, True))
    assert nsfw_policy(context, NsfwSettings()) is NsfwPolicy.BLOCK


def test_unknown_channels_block() -> None:
    """No setting applies to them."""
    assert nsfw_policy(UNKNOWN_CHANNEL, NsfwSettings(NsfwPolicy.ALLOW)) is NsfwPolicy.BLOCK
