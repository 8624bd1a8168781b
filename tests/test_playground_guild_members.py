"""Requests for guild members over the gateway (opcode 8)."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import discord
import pytest

from bot.playground import Playground
from bot.playground.errors import Json
from bot.playground.gateway.guild_members import ALL_MEMBERS_SECONDS
from bot.playground.model.intents import ALL_INTENTS
from tests.playground_bot import INTENTS, PlaygroundBot, use_local_discord
from tests.playground_gateway import GatewayClient

GUILDS = 1 << 0
GUILD_MEMBERS = 1 << 1
GUILD_PRESENCES = 1 << 8


async def test_a_prefix_finds_members(playground: Playground, bot: PlaygroundBot) -> None:
    """discord.py's query_members gets the members whose names start with the query."""
    ada, abe = playground.person("Ada"), playground.person("Abe")
    playground.person("Ben")
    members = await bot.guilds[0].query_members("A")
    assert {member.id for member in members} == {ada.id, abe.id}
    assert await bot.guilds[0].query_members("nobody") == []
    assert playground.violations == []


async def test_ids_find_members(playground: Playground, bot: PlaygroundBot) -> None:
    """discord.py's query_members gets the members with these ids, with their roles."""
    ada = playground.person("Ada", moderator=True)
    [member] = await bot.guilds[0].query_members(user_ids=[ada.id, 1])
    assert member.id == ada.id
    assert [role.name for role in member.roles] == ["@everyone", "Moderators"]


async def test_all_members_come_in_chunks(playground: Playground) -> None:
    """discord.py's chunk gets all members, a thousand in each chunk."""
    for index in range(1_100):
        playground.person(f"Person {index}")
    playground.world.allowed_intents = ALL_INTENTS
    use_local_discord(playground)
    client = discord.Client(
        intents=discord.Intents(INTENTS.value | GUILD_MEMBERS), chunk_guilds_at_startup=False
    )
    task = asyncio.create_task(client.start(playground.token))
    await playground.until(client.is_ready, why="the client is ready")
    members = await client.guilds[0].chunk()
    assert members is not None
    assert len(members) == 1_101
    await client.close()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def client(playground: Playground) -> AsyncIterator[GatewayClient]:
    """A plain session without privileged intents."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{playground.url}/gateway?v=10&encoding=json") as socket,
    ):
        client = GatewayClient(socket)
        await client.receive()
        await client.identify(playground.token, intents=0)
        yield client


async def chunk(playground: Playground, client: GatewayClient, **fields: object) -> Json:
    """The data of the event that answers the request."""
    await client.send(8, {"guild_id": str(playground.guild_id)} | fields)
    data: Json = (await client.receive())["d"]
    return data


async def test_unknown_ids_are_listed(playground: Playground, client: GatewayClient) -> None:
    """Ids of no members are in `not_found`; one id needs no list."""
    ada = playground.person("Ada")
    data = await chunk(playground, client, user_ids=[str(ada.id), "5"], nonce="n")
    assert [member["user"]["id"] for member in data["members"]] == [str(ada.id)]
    assert (data["not_found"], data["nonce"]) == (["5"], "n")
    assert (data["chunk_index"], data["chunk_count"]) == (0, 1)
    for query in (None, ""):  # hikari sends both
        data = await chunk(playground, client, user_ids=str(ada.id), query=query)
        assert [member["user"]["id"] for member in data["members"]] == [str(ada.id)]


async def test_a_query_is_limited(playground: Playground, client: GatewayClient) -> None:
    """At most `limit` members are returned, and at most 100; a long nonce is ignored."""
    for index in range(101):
        playground.person(f"Person {index}")
    data = await chunk(playground, client, query="person", limit=3, nonce="x" * 33)
    assert len(data["members"]) == 3
    assert "nonce" not in data
    data = await chunk(playground, client, query="person", limit=0, presences=True)
    assert len(data["members"]) == 100
    assert "presences" not in data  # without the intent


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"query": "", "limit": 0}, "GUILD_MEMBERS intent"),
        ({"query": "a"}, "needs a limit"),
        ({"limit": 1}, "one of query and user_ids"),
        ({"query": "a", "limit": 1, "user_ids": ["1"]}, "one of query and user_ids"),
        ({"user_ids": ["ada"]}, "snowflakes"),
        ({"guild_id": "5", "query": "a", "limit": 1}, "no guild 5"),
    ],
)
async def test_an_invalid_request_is_a_violation(
    playground: Playground, client: GatewayClient, fields: Json, rule: str
) -> None:
    """It gets no response, and is recorded as a violation."""
    await client.send(8, {"guild_id": str(playground.guild_id)} | fields)
    await client.send(1, None)
    assert await client.receive() == {"op": 11}
    assert len(playground.violations) == 1
    assert rule in playground.violations[0]


async def test_all_members_can_be_requested_twice_a_minute(playground: Playground) -> None:
    """A request within 30 seconds is answered with RATE_LIMITED."""
    playground.world.allowed_intents = ALL_INTENTS
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{playground.url}/gateway?v=10") as socket,
    ):
        client = GatewayClient(socket)
        await client.receive()
        await client.identify(playground.token, intents=GUILD_MEMBERS)
        everyone: Json = {"query": "", "limit": 0, "nonce": "n"}
        assert len((await chunk(playground, client, **everyone))["members"]) == 1
        limited = await chunk(playground, client, **everyone)
        assert limited["opcode"] == 8
        assert 29 < limited["retry_after"] <= 30
        assert limited["meta"] == {"guild_id": str(playground.guild_id), "nonce": "n"}
        playground.clock.advance(ALL_MEMBERS_SECONDS)
        assert len((await chunk(playground, client, **everyone))["members"]) == 1


async def test_a_small_guild_has_its_members_with_presences(playground: Playground) -> None:
    """With that intent discord.py requests no members, because GUILD_CREATE has them."""
    ada = playground.person("Ada")
    playground.world.allowed_intents = ALL_INTENTS
    intents = discord.Intents(INTENTS.value | GUILD_MEMBERS | GUILD_PRESENCES)
    use_local_discord(playground)
    client = discord.Client(intents=intents)
    task = asyncio.create_task(client.start(playground.token))
    await playground.until(client.is_ready, why="the client is ready")
    assert client.guilds[0].get_member(ada.id) is not None
    assert not client.guilds[0].large
    await client.close()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("intents", "threshold", "large", "count"),
    [
        (GUILDS | GUILD_PRESENCES, 60, False, 52),
        (GUILDS | GUILD_PRESENCES, None, True, 1),
        (GUILDS | GUILD_PRESENCES, 51, True, 1),
        (GUILDS | GUILD_MEMBERS, 60, False, 1),
    ],
)
async def test_a_large_guild_lacks_offline_members(
    playground: Playground, intents: int, threshold: int | None, large: bool, count: int
) -> None:
    """`large_threshold` says from which number of members; it is the same after an outage."""
    for index in range(51):
        playground.person(f"Person {index}")
    playground.world.allowed_intents = ALL_INTENTS
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{playground.url}/gateway?v=10") as socket,
    ):
        client = GatewayClient(socket)
        await client.receive()
        identify: Json = {"token": playground.token, "intents": intents, "properties": {}}
        await client.send(2, identify | ({"large_threshold": threshold} if threshold else {}))
        await client.receive()
        first = (await client.receive())["d"]
        playground.set_available(playground.world.default_guild, available=False)
        playground.set_available(playground.world.default_guild, available=True)
        await client.receive()
        second = (await client.receive())["d"]
    for data in (first, second):
        assert (data["large"], len(data["members"]), data["member_count"]) == (large, count, 52)


@pytest.mark.parametrize("intents", [GUILDS, GUILDS | GUILD_MEMBERS])
async def test_members_who_change_are_reported(playground: Playground, intents: int) -> None:
    """New members and changed roles need the GUILD_MEMBERS intent; the bot's own roles do not."""
    playground.world.allowed_intents = ALL_INTENTS
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{playground.url}/gateway?v=10") as socket,
    ):
        client = GatewayClient(socket)
        await client.receive()
        await client.identify(playground.token, intents=intents)
        await client.receive()
        moderators = playground.world.default_guild.moderators
        ada = playground.person("Ada", moderator=True)
        playground.person("Ada", moderator=True)  # has the role
        ada.take(moderators)
        playground.set_bot_roles(moderators)
        frames = [await client.receive() for _ in range(4 if intents & GUILD_MEMBERS else 1)]
    added, updated = "GUILD_MEMBER_ADD", "GUILD_MEMBER_UPDATE"
    user_id, bot_id, role_id = str(ada.id), str(playground.world.bot.id), str(moderators.id)
    events = [(f["t"], f["d"]["user"]["id"], role_id in f["d"]["roles"]) for f in frames]
    assert events.pop() == (updated, bot_id, True)
    if events:
        assert events == [
            (added, user_id, False),
            (updated, user_id, True),
            (updated, user_id, False),
        ]
    assert {frame["d"]["guild_id"] for frame in frames} == {str(playground.guild_id)}
