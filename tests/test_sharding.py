"""The whole bot on several shards of the local Discord."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.errors import ExitCode, FatalError
from bot.playground import Guild, Interaction, Message, Permission, Playground
from bot.playground.client.options import Value
from bot.playground.gateway.sessions import Session
from tests.bot_harness import BotHarness, eventually, is_finished
from tests.fake_engine import FakeEngine
from tests.test_http_server import free_port, metrics, until_health

SHARDS = 4
BUCKETS = 2
INTERVAL = 0.6
"""Seconds between two sessions of a bucket, which are five at Discord."""
ALLOWED_INTERVAL = 0.2
"""What the local Discord demands; the rest is for a busy event loop, which both share."""


def bot_of_four(discord: Playground, engine: FakeEngine, data: Path) -> BotHarness:
    """A bot of four shards in two buckets; a session that starts too soon is a violation."""
    discord.session_starts.interval = ALLOWED_INTERVAL
    discord.session_starts.max_concurrency = BUCKETS
    discord.session_starts.recommended_shards = SHARDS
    harness = BotHarness(discord, engine, data)
    harness.identify_interval = INTERVAL
    harness.metrics_port = free_port()
    return harness


@pytest.fixture
async def sharded(
    discord: Playground, engine: FakeEngine, tmp_path: Path
) -> AsyncIterator[BotHarness]:
    """A connected bot of four shards."""
    async with bot_of_four(discord, engine, tmp_path) as harness:
        yield harness


def add_guilds(discord: Playground) -> list[Guild]:
    """A guild for each shard, in order; Ada is a member."""
    guilds: dict[int, Guild] = {}
    while len(guilds) < SHARDS:
        guild = discord.add_guild("Other")
        guilds.setdefault((guild.id >> 22) % SHARDS, guild)
        discord.clock.advance(0.001)
    for guild in guilds.values():
        discord.person("Ada").join(guild)
    return [guilds[shard] for shard in range(SHARDS)]


def sessions(discord: Playground) -> dict[int, Session]:
    """The session of each shard."""
    result = {session.shard.id: session for session in discord.gateway.sessions}
    assert len(result) == len(discord.gateway.sessions)
    return result


def event_count(session: Session, name: str) -> int:
    """How many events of this name the session has received."""
    return sum(frame["t"] == name for frame in session.log)


async def imagine(harness: BotHarness, guild: Guild, seed: int) -> Interaction:
    """Ada's command in a guild."""
    options: dict[str, Value] = {"prompt": "a red house", "seed": seed}
    return await harness.ada.invoke("imagine", options, where=guild.channel)


async def reply_to(harness: BotHarness, message: Message) -> Message:
    """The final reply to a message."""
    replies: list[Message] = []

    def has_arrived() -> bool:
        channel = harness.discord.messages(message.channel)
        replies[:] = [reply for reply in channel if reply.reference is message]
        return bool(replies) and is_finished(replies[0])

    await harness.discord.until(has_arrived, why="a reply")
    return replies[0]


async def test_each_shard_has_a_session(sharded: BotHarness) -> None:
    """They start no faster than Discord allows, and each counts once."""
    discord = sharded.discord
    by_shard = sessions(discord)
    assert sorted(by_shard) == [0, 1, 2, 3]
    assert {session.shard.count for session in by_shard.values()} == {SHARDS}
    assert discord.session_starts.remaining == 1_000 - SHARDS
    assert discord.session_starts.too_soon == 0


async def test_every_guild_is_answered_once(sharded: BotHarness, engine: FakeEngine) -> None:
    """Whatever its shard is; direct messages come by the first shard."""
    discord = sharded.discord
    guilds = add_guilds(discord)
    seeds = [10 * shard for shard in range(SHARDS)]
    interactions = [
        await imagine(sharded, guild, seed) for guild, seed in zip(guilds, seeds, strict=True)
    ]
    interactions.append(
        await sharded.ada.slash("imagine", prompt="a house", seed=99, where=sharded.ada.dm)
    )
    grids = [await sharded.result(interaction) for interaction in interactions]
    assert all(grid.attachments for grid in grids)
    assert sorted(paint.recipes[0].seed for paint in engine.paints) == [*seeds, 99]
    for guild, grid in zip(guilds, grids, strict=False):
        assert discord.messages(guild.channel) == [grid]
    assert discord.dms(sharded.ada) == [grids[-1]]
    counts = {
        shard: event_count(session, "INTERACTION_CREATE")
        for shard, session in sessions(discord).items()
    }
    assert counts == {0: 2, 1: 1, 2: 1, 3: 1}


async def test_reactions_work_on_every_shard(sharded: BotHarness, engine: FakeEngine) -> None:
    """Each starts one job."""
    for shard, guild in enumerate(add_guilds(sharded.discord)):
        grid = await sharded.result(await imagine(sharded, guild, 10 * shard))
        await sharded.ada.react(grid, "1️⃣")
        assert (await reply_to(sharded, grid)).attachments
    assert len(engine.paints) == 2 * SHARDS


async def test_a_lost_connection_is_resumed_alone(sharded: BotHarness) -> None:
    """The other shards keep theirs, and what happened meanwhile is handled once."""
    discord = sharded.discord
    guilds, before = add_guilds(discord), sessions(discord)
    transports = {shard: session.transport for shard, session in before.items()}
    discord.sockets.unavailable = True
    discord.sockets.drop(shard=2)
    await discord.until(lambda: before[2].transport is None, why="shard 2 is lost")
    assert (await until_health(sharded, 503))["down"] == ["gateway"]
    samples = await metrics(sharded)
    assert [samples[f"imagine_gateway_shard_up shard={shard}"] for shard in range(SHARDS)] == [
        *(1, 1, 0, 1)
    ]
    missed = await imagine(sharded, guilds[2], 1)
    assert (await sharded.result(await imagine(sharded, guilds[3], 2))).attachments
    assert not missed.response
    discord.sockets.unavailable = False
    assert (await sharded.result(missed)).attachments
    await until_health(sharded, 200)
    after = sessions(discord)
    assert after == before
    assert [after[shard].transport is transports[shard] for shard in range(SHARDS)] == [
        *(True, True, False, True)
    ]
    assert discord.session_starts.remaining == 1_000 - SHARDS


async def test_an_invalid_session_begins_anew(sharded: BotHarness) -> None:
    """All shards start sessions again, no faster than at the first time."""
    discord = sharded.discord
    guilds, before = add_guilds(discord), sessions(discord)
    discord.gateway.invalidate(resumable=False)
    await discord.until(lambda: len(sessions(discord)) == SHARDS, why="new sessions")
    assert all(session not in before.values() for session in discord.gateway.sessions)
    await until_health(sharded, 200)
    for shard, guild in enumerate(guilds):
        assert (await sharded.result(await imagine(sharded, guild, shard))).attachments
    assert discord.session_starts.too_soon == 0


async def test_a_guild_that_was_left_meanwhile_is_forgotten(sharded: BotHarness) -> None:
    """Its commands stay, so the permissions of the bot user no longer matter there."""
    discord = sharded.discord
    guild = add_guilds(discord)[1]
    guild.has_commands = True
    discord.set_overwrite(guild.channel, guild.everyone, deny=Permission.ATTACH_FILES)
    assert "Attach Files" in await sharded.refusal(await imagine(sharded, guild, 1))
    discord.sockets.unavailable = True
    discord.sockets.drop(shard=1)
    await discord.until(lambda: sessions(discord)[1].transport is None, why="shard 1 is lost")
    discord.remove_bot(guild)
    discord.gateway.invalidate(resumable=False)
    discord.sockets.unavailable = False
    await until_health(sharded, 200)
    assert (await sharded.result(await imagine(sharded, guild, 1))).attachments


@pytest.mark.timeout(120)
async def test_a_sick_host_of_sessions_is_left_by_its_shard(sharded: BotHarness) -> None:
    """The session of the shard is resumed at the main gateway, and no new one is started."""
    discord, before = sharded.discord, sessions(sharded.discord)
    discord.sockets.resume_unavailable = True
    discord.sockets.drop(shard=3)
    await discord.until(lambda: before[3].transport is None, why="shard 3 is lost")
    await discord.until(lambda: before[3].transport, timeout=90, why="the session goes on")
    assert sessions(discord) == before
    await until_health(sharded, 200)


async def test_discord_may_demand_more_shards(
    discord: Playground, engine: FakeEngine, tmp_path: Path
) -> None:
    """The bot has joined too many servers: it connects again with Discord's new number."""
    harness = BotHarness(discord, engine, tmp_path)
    harness.identify_interval = INTERVAL
    async with harness:
        assert list(sessions(discord)) == [0]
        discord.session_starts.recommended_shards = 2
        discord.session_starts.max_concurrency = 2
        discord.sockets.close(4011)
        await discord.until(
            lambda: [s.shard.count for s in discord.gateway.sessions if s.transport] == [2, 2],
            why="two shards",
        )
        assert (await harness.imagine()).attachments


async def test_without_more_shards_the_end_says_so(
    discord: Playground, engine: FakeEngine, tmp_path: Path
) -> None:
    """A close code of one shard that forbids to reconnect ends the bot."""
    harness = bot_of_four(discord, engine, tmp_path)
    await harness.start()
    discord.sockets.close(4011, shard=2)
    with pytest.raises(FatalError, match="too many servers") as error:
        await harness.wait_until_ended()
    assert error.value.exit is ExitCode.GATEWAY_REFUSED
    await discord.until(lambda: not discord.online, why="all shards are closed")


async def test_a_bot_that_starts_again_at_once(sharded: BotHarness) -> None:
    """It does not know of the sessions that it has just started; a refused one is tried again."""
    discord = sharded.discord
    discord.session_starts.interval = 3600.0
    await sharded.stop()
    starting = asyncio.create_task(sharded.start())
    await discord.until(lambda: discord.session_starts.too_soon, why="a refused session")
    assert discord.gateway.sessions == []
    discord.session_starts.interval = ALLOWED_INTERVAL
    await starting
    assert sorted(sessions(discord)) == [0, 1, 2, 3]
    discord.violations.clear()
    assert (await sharded.imagine()).attachments


async def test_without_sessions_left_the_bot_waits(
    discord: Playground, engine: FakeEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It sends no IDENTIFY, because Discord would reset the token."""
    discord.session_starts.total = 0
    harness = BotHarness(discord, engine, tmp_path)
    harness.identify_interval = INTERVAL
    starting = asyncio.create_task(harness.start())
    with caplog.at_level(logging.WARNING, "bot.gateway"):
        await eventually(lambda: "has started all gateway sessions" in caplog.text)
    assert discord.gateway.sessions == []
    assert not discord.session_starts.is_token_reset
    discord.session_starts.total = 1_000
    await starting
    assert (await harness.imagine()).attachments
    await harness.stop()
