"""Classification of Discord channels: kind, guild and age restriction."""

from pathlib import Path
from typing import Any

import discord as discord_py
import pytest
from discord.http import Route

from bot.db.database import Database
from bot.domain.guild_settings import set_nsfw_policy
from bot.domain.nsfw import UNKNOWN_CHANNEL, ChannelContext, ChannelInfo, ChannelKind, NsfwPolicy
from bot.messages.channels import ChannelResolver, from_channel
from bot.playground import Playground
from bot.playground.model.state import World
from bot.playground.rest.serializers.guilds import guild_create_json
from tests.new_database import create_database

TEXT, DIRECT, VOICE, GROUP, THREAD, STAGE, FORUM = 0, 1, 2, 3, 11, 13, 15
ROOMS = [TEXT, VOICE, STAGE, FORUM]


@pytest.fixture
def client() -> discord_py.Client:
    """A discord.py client that has never connected."""
    return discord_py.Client(intents=discord_py.Intents(guilds=True))


def channel_json(id: int, kind: int, **more: object) -> dict[str, object]:
    """A channel of any type, as Discord sends it."""
    return {
        "id": str(id),
        "type": kind,
        "name": f"channel {id}",
        "position": 0,
        "permission_overwrites": [],
        "parent_id": None,
        "available_tags": [],
        "bitrate": 64000,
        "user_limit": 0,
        **more,
    }


def thread_json(id: int, parent: int) -> dict[str, object]:
    """A thread or a forum post; its own `nsfw` has no meaning."""
    return channel_json(
        id,
        THREAD,
        parent_id=str(parent),
        nsfw=True,
        owner_id="1",
        message_count=0,
        member_count=1,
        thread_metadata={
            "archived": False,
            "auto_archive_duration": 60,
            "archive_timestamp": "2026-11-21T11:49:02+00:00",
            "locked": False,
        },
    )


def guild(client: discord_py.Client, channels: list[Any], threads: list[Any]) -> discord_py.Guild:
    """A guild with these channels and threads."""
    world = World()
    data: Any = guild_create_json(world, world.default_guild)
    data |= {"channels": channels, "threads": threads}
    return discord_py.Guild(data=data, state=client._connection)


@pytest.mark.parametrize("restricted", [False, True])
@pytest.mark.parametrize("kind", ROOMS)
def test_a_guild_channel_has_its_age_restriction(
    client: discord_py.Client, kind: int, restricted: bool
) -> None:
    """Each type with messages has its own; threads and forum posts have their parent's."""
    channels = [channel_json(10, kind, nsfw=restricted)]
    home = guild(client, channels, [thread_json(20, 10), thread_json(21, 99)])
    place = ChannelContext(
        kind=ChannelKind.GUILD, guild_id=home.id, channel=ChannelInfo(10, restricted)
    )
    assert from_channel(home.get_channel(10)) == place
    assert from_channel(home.get_thread(20)) == place
    assert from_channel(home.get_thread(21)) == UNKNOWN_CHANNEL, "its parent is not known"


@pytest.mark.parametrize("kind", ROOMS)
def test_a_channel_without_the_field_is_unrestricted(client: discord_py.Client, kind: int) -> None:
    """Old events lack it."""
    home = guild(client, [channel_json(10, kind)], [])
    assert from_channel(home.get_channel(10)).channel == ChannelInfo(10, False)


def test_dms_are_no_guild_channels(client: discord_py.Client) -> None:
    """Group DMs and unknown channels are no guild channels either."""
    me: Any = discord_py.Object(1)
    state = client._connection
    direct: Any = {"id": "30", "type": DIRECT, "recipients": []}
    group: Any = {"id": "31", "type": GROUP, "recipients": [], "owner_id": "1"}
    assert (
        from_channel(discord_py.DMChannel(me=me, state=state, data=direct)).kind
        is ChannelKind.BOT_DM
    )
    assert (
        from_channel(discord_py.GroupChannel(me=me, state=state, data=group)).kind
        is ChannelKind.PRIVATE_CHANNEL
    )
    assert from_channel(client.get_partial_messageable(32)) == UNKNOWN_CHANNEL
    assert from_channel(None) == UNKNOWN_CHANNEL


async def test_unknown_channels_are_fetched_without_a_gateway(
    discord: Playground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread has its parent's policy; DMs and channels that do not exist have BLOCK."""
    monkeypatch.setattr(Route, "BASE", discord.api)
    path = create_database(tmp_path)
    guild = discord.world.default_guild.id
    choice = set_nsfw_policy(discord.restricted.id, NsfwPolicy.SPOILER)
    threads = [discord.add_thread(parent, "t") for parent in (discord.restricted, discord.channel)]
    intents = discord_py.Intents(guilds=True)
    async with (
        Database(path) as db,
        discord_py.Client(intents=intents) as client,
    ):
        await client.login(discord.token)
        await db.guild_settings.change(guild, choice, actor_id=9, now=5.0)
        resolver = ChannelResolver(client, db.guild_settings)
        assert await resolver.nsfw_policy(discord.restricted.id) is NsfwPolicy.SPOILER
        assert await resolver.nsfw_policy(threads[0].id) is NsfwPolicy.SPOILER
        assert await resolver.nsfw_policy(discord.channel.id) is NsfwPolicy.BLOCK
        assert await resolver.nsfw_policy(threads[1].id) is NsfwPolicy.BLOCK
        assert await resolver.nsfw_policy(discord.person("Ada").dm.id) is NsfwPolicy.BLOCK
        assert await resolver.nsfw_policy(1) is NsfwPolicy.BLOCK
        discord.restricted.nsfw = False
        assert await resolver.nsfw_policy(threads[0].id) is NsfwPolicy.BLOCK
