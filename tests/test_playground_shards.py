"""Sharded sessions: which guilds and events each receives."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import discord
import pytest

from bot.playground import Guild, Playground
from tests.playground_bot import INTENTS, use_local_discord
from tests.playground_gateway import GatewayClient


class ShardClient(discord.Client):
    """One of two shards, which records its interactions and reactions."""

    def __init__(self, shard_id: int) -> None:
        super().__init__(intents=INTENTS, shard_id=shard_id, shard_count=2)
        self.interactions: list[discord.Interaction] = []
        self.reactions: list[discord.RawReactionActionEvent] = []

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Record the interaction."""
        self.interactions.append(interaction)

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        """Record the reaction."""
        self.reactions.append(event)


@asynccontextmanager
async def start_shards(playground: Playground) -> AsyncIterator[list[ShardClient]]:
    """Two connected clients, one for each shard."""
    use_local_discord(playground)
    shards = [ShardClient(0), ShardClient(1)]
    for shard in shards:
        shard._connection.guild_ready_timeout = 0.1
    tasks = [asyncio.create_task(shard.start(playground.token)) for shard in shards]
    try:
        await playground.until(lambda: all(shard.is_ready() for shard in shards))
        yield shards
    finally:
        for shard in shards:
            await shard.close()
        await asyncio.gather(*tasks, return_exceptions=True)


def add_guild_of(playground: Playground, shard_id: int) -> Guild:
    """A guild of one of two shards."""
    while True:
        guild = playground.add_guild("Other")
        if (guild.id >> 22) % 2 == shard_id:
            return guild
        playground.clock.advance(0.001)


async def test_each_guild_is_on_one_shard(playground: Playground) -> None:
    """Guilds are distributed by id, and a new one is announced to its shard alone."""
    guilds = {add_guild_of(playground, 0).id, add_guild_of(playground, 1).id, playground.guild_id}
    async with start_shards(playground) as shards:
        for shard in shards:
            assert {guild.id for guild in shard.guilds} <= set(playground.world.guilds)
            assert {(guild.id >> 22) % 2 for guild in shard.guilds} <= {shard.shard_id}
        assert guilds <= {guild.id for shard in shards for guild in shard.guilds}
        late = add_guild_of(playground, 1)
        await playground.until(lambda: shards[1].get_guild(late.id), why="the shard has the guild")
        assert shards[0].get_guild(late.id) is None


async def test_events_go_to_the_shard_of_their_guild(playground: Playground) -> None:
    """Reactions and interactions reach one shard; those in DMs reach shard 0."""
    ada = playground.person("Ada")
    async with start_shards(playground) as shards:
        for shard in shards:
            guild = add_guild_of(playground, shard.shard_id or 0)
            ada.join(guild)
            message = await ada.say("look", where=guild.channel)
            await ada.react(message, "🔁")
        await playground.until(lambda: all(shard.reactions for shard in shards))
        for shard in shards:
            [reaction] = shard.reactions
            assert reaction.guild_id is not None
            assert (reaction.guild_id >> 22) % 2 == shard.shard_id
            shard.reactions.clear()
        dm = await ada.say("look", where=ada.dm)
        await ada.react(dm, "🔁")
        await playground.until(lambda: shards[0].reactions)
        assert shards[1].reactions == []


async def test_interactions_go_to_the_shard_of_their_guild(playground: Playground) -> None:
    """A button is delivered once."""
    ada = playground.person("Ada")
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label="Go", custom_id="go"))
    async with start_shards(playground) as shards:
        for shard in shards:
            guild = add_guild_of(playground, shard.shard_id or 0)
            ada.join(guild)
            await shard.get_partial_messageable(guild.channel.id).send("press", view=view)
            await ada.click(playground.messages(guild.channel)[0], "Go")
        await playground.until(lambda: all(shard.interactions for shard in shards))
        assert [len(shard.interactions) for shard in shards] == [1, 1]


@pytest.mark.parametrize(
    ("guild_count", "shard", "code"),
    [
        (2_499, None, None),
        (2_500, None, 4011),
        (2_500, [0, 1], 4011),
        (2_500, [0, 2], None),
        (2_500, [5], 4010),
        (2_500, "many", 4010),
        (2_500, [0, "2"], 4010),
    ],
)
async def test_many_guilds_need_shards(
    playground: Playground, guild_count: int, shard: object, code: int | None
) -> None:
    """From 2,500 guilds on, a session of all guilds is closed (4011)."""
    while len(playground.world.guilds) < guild_count:
        playground.world.add_guild("Other")
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{playground.url}/gateway?v=10") as socket,
        session.get(
            f"{playground.api}/gateway/bot", headers={"Authorization": f"Bot {playground.token}"}
        ) as response,
    ):
        assert (await response.json())["shards"] == 3
        client = GatewayClient(socket)
        await client.receive()
        identify = {"token": playground.token, "intents": 0, "properties": {}}
        await client.send(2, identify | ({} if shard is None else {"shard": shard}))
        if code:
            assert await client.close_code() == code
        else:
            ready = (await client.receive())["d"]
            assert ready.get("shard") == shard
            assert len(ready["guilds"]) == guild_count or shard == [0, 2]
