"""Where flagged pictures may be shown."""

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
CHOSEN = [{}, *({10: each} for each in NsfwPolicy), *({11: each} for each in NsfwPolicy)]
EVERYTHING = list(product(ChannelKind, SERVERS, ROOMS, NsfwPolicy, CHOSEN))


@pytest.mark.parametrize(("kind", "server", "room", "whole", "rooms"), EVERYTHING)
def test_flagged_pictures_are_shown_where_an_admin_chose_so_and_nowhere_else(
    kind: ChannelKind,
    server: int | None,
    room: ChannelInfo | None,
    whole: NsfwPolicy,
    rooms: dict[int, NsfwPolicy],
) -> None:
    """In an age-restricted channel of a known server; its own choice counts before the server's."""
    place = ChannelContext(kind=kind, guild_id=server, channel=room)
    found = nsfw_policy(place, NsfwSettings(whole, rooms))
    if (
        kind is ChannelKind.GUILD
        and server is not None
        and room is not None
        and room.is_age_restricted
    ):
        assert found is rooms.get(10, whole)
    else:
        assert found is NsfwPolicy.BLOCK


def test_without_a_choice_they_are_withheld() -> None:
    """Also where the channel is age-restricted."""
    place = ChannelContext(kind=ChannelKind.GUILD, guild_id=1, channel=ChannelInfo(10, True))
    assert nsfw_policy(place, NsfwSettings()) is NsfwPolicy.BLOCK


def test_what_is_not_known_is_withheld() -> None:
    """Whatever was chosen."""
    assert nsfw_policy(UNKNOWN_CHANNEL, NsfwSettings(NsfwPolicy.ALLOW)) is NsfwPolicy.BLOCK
