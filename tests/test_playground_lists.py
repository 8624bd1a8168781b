"""Lists of guilds, members, pins and emoji, and deletion of messages in bulk."""

from typing import Any

import discord
import pytest

from bot.playground import Permission, Playground
from bot.playground.model.intents import ALL_INTENTS
from bot.playground.model.permissions import EVERYONE
from bot.playground.rest.message_lists import MAX_AGE_SECONDS
from tests.playground_bot import PlaygroundBot
from tests.playground_gateway import GatewayClient
from tests.playground_http import Http


def ids(items: list[dict[str, Any]]) -> list[str]:
    """The ids of guilds or members."""
    return [item.get("user", item)["id"] for item in items]


async def test_discord_py_lists_what_there_is(playground: Playground, bot: PlaygroundBot) -> None:
    """It pages through guilds, members and pins."""
    playground.world.allowed_intents = ALL_INTENTS
    ada, guild = playground.person("Ada"), bot.guilds[0]
    assert [found.id async for found in bot.fetch_guilds()] == [guild.id]
    members = await bot.http.get_members(guild.id, 1000, None)
    assert {int(member["user"]["id"]) for member in members} == {ada.id, playground.world.bot.id}
    assert await guild.fetch_emojis() == []
    assert await bot.fetch_application_emojis() == []
    channel = guild.get_channel(playground.channel.id)
    assert isinstance(channel, discord.TextChannel)
    assert [pin async for pin in channel.pins()] == []
    assert playground.violations == []


async def test_guilds_are_paged(playground: Playground, http: Http) -> None:
    """The order is that of the ids, `limit` counts from the side of `before` or `after`."""
    guilds = [playground.world.default_guild, *map(playground.add_guild, ("B", "C"))]
    first, second, third = sorted(str(guild.id) for guild in guilds)
    path = "/users/@me/guilds"
    _, data = await http.call("GET", path + "?with_counts=true")
    assert ids(data) == [first, second, third]
    assert data[0]["approximate_member_count"] == 1
    assert ids((await http.call("GET", f"{path}?after={first}&limit=1"))[1]) == [second]
    assert ids((await http.call("GET", f"{path}?before={third}&limit=1"))[1]) == [second]
    assert (await http.call("GET", path + "?limit=201"))[0] == 400


async def test_members_are_paged(playground: Playground, http: Http) -> None:
    """One member is the default; all need the GUILD_MEMBERS intent."""
    people = [playground.person(name) for name in ("Ada", "Abe", "Eve")]
    path = f"/guilds/{playground.guild_id}/members"
    status, data = await http.call("GET", path)
    assert (status, data["code"]) == (403, 50001)
    playground.world.allowed_intents = ALL_INTENTS
    ordered = sorted([playground.world.bot.id, *(person.id for person in people)])
    assert ids((await http.call("GET", path))[1]) == [str(ordered[0])]
    after = (await http.call("GET", f"{path}?limit=1000&after={ordered[0]}"))[1]
    assert ids(after) == [str(user_id) for user_id in ordered[1:]]


async def test_members_are_searched(playground: Playground, http: Http) -> None:
    """By the start of their names, in any case."""
    ada, abe, _ = [playground.person(name) for name in ("Ada", "Abe", "Eve")]
    path = f"/guilds/{playground.guild_id}/members/search"
    assert ids((await http.call("GET", path + "?query=A&limit=9"))[1]) == [
        str(ada.id),
        str(abe.id),
    ]
    assert len((await http.call("GET", path + "?query=a"))[1]) == 1
    status, data = await http.call("GET", path + "?query=")
    assert (status, list(data["errors"])) == (400, ["query"])


async def test_messages_are_deleted_in_bulk(playground: Playground, bot: PlaygroundBot) -> None:
    """discord.py does it with one request."""
    playground.set_bot_permissions(playground.channel, EVERYONE | Permission.MANAGE_MESSAGES)
    ada = playground.person("Ada")
    messages = [await ada.say("x") for _ in range(3)]
    channel = bot.get_channel(playground.channel.id)
    assert isinstance(channel, discord.TextChannel)
    await channel.delete_messages([discord.Object(message.id) for message in messages])
    assert playground.messages() == []
    assert all(message.deleted for message in messages)
    assert playground.violations == []


async def test_what_cannot_be_deleted_in_bulk(playground: Playground, http: Http) -> None:
    """Too few, repeated and old messages; those of direct messages; without the permission."""
    ada = playground.person("Ada")
    one, two = [str((await ada.say("x")).id) for _ in range(2)]
    path = f"/channels/{playground.channel.id}/messages/bulk-delete"

    async def code(*message_ids: str, path: str = path) -> int:
        _, data = await http.call("POST", path, json={"messages": list(message_ids)})
        assert isinstance(data["code"], int)
        return data["code"]

    assert await code(one, two) == 50013
    playground.set_bot_permissions(playground.channel, EVERYONE | Permission.MANAGE_MESSAGES)
    assert await code(one) == 50035
    assert await code(one, one) == 50035
    dm = f"/channels/{ada.dm.id}/messages/bulk-delete"
    assert await code(one, two, path=dm) == 50003
    playground.clock.advance(MAX_AGE_SECONDS + 60)
    assert await code(one, two) == 50034
    assert len(playground.messages()) == 2


@pytest.mark.parametrize("intents", [0, 1 << 9])
async def test_the_bulk_deletion_needs_the_intent(
    playground: Playground, http: Http, intents: int
) -> None:
    """MESSAGE_DELETE_BULK comes with GUILD_MESSAGES only; unknown ids are not in it."""
    playground.set_bot_permissions(playground.channel, EVERYONE | Permission.MANAGE_MESSAGES)
    message = await playground.person("Ada").say("x")
    async with http.session.ws_connect(f"{playground.url}/gateway?v=10") as socket:
        client = GatewayClient(socket)
        await client.receive()
        await client.identify(playground.token, intents=intents)
        path = f"/channels/{playground.channel.id}/messages/bulk-delete"
        body = {"messages": [str(message.id), str(message.id + 1)]}
        assert (await http.call("POST", path, json=body))[0] == 204
        await client.send(1, None)
        frame = await client.receive()
    if intents:
        assert frame["t"] == "MESSAGE_DELETE_BULK"
        assert frame["d"]["ids"] == [str(message.id)]
    else:
        assert frame == {"op": 11}
