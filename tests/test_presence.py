"""The bot's presence shows its model and the queue, at a limited rate, on all shards."""

import discord
import msgspec
import pytest

from bot.db.stats import QueueStats
from bot.messages import presence
from bot.playground import Playground
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import MODEL, FakeEngine
from tests.playground_bot import PlaygroundBot
from tests.test_sharding import SHARDS, sharded  # noqa: F401 # a fixture


def queue(waiting: int, running: int = 0) -> QueueStats:
    """A queue."""
    return QueueStats(waiting=waiting, running=running, undelivered=9, oldest_at=None)


def test_the_text_has_the_model_and_the_queue() -> None:
    """Jobs that wait and those that are painted."""
    sdxl = msgspec.structs.replace(MODEL, name="a/sdxl")
    for models, stats, is_up, expected in (
        ([MODEL], queue(0), True, "flat · the queue is empty"),
        ([MODEL], queue(0, 1), True, "flat · 1 job in the queue"),
        ([MODEL, sdxl], queue(2, 3), True, "flat +1 · 5 jobs in the queue"),
        ([MODEL], queue(2), False, "flat · the engine is restarting · 2 jobs in the queue"),
        ([], None, False, "the engine is restarting"),
    ):
        assert presence.text(models, stats, is_up) == expected
    long = msgspec.structs.replace(MODEL, name="x" * 200)
    assert len(presence.text([long] * 2, queue(800), False)) <= 128


async def test_the_presence_follows_the_queue(harness: BotHarness, engine: FakeEngine) -> None:
    """And says that the engine restarts."""
    local = harness.discord
    await local.until(lambda: local.presences == {0: "flat · the queue is empty"})
    await harness.stop()
    harness.presence_seconds = 1.0
    await harness.start()
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a house")
    await local.until(lambda: local.presences == {0: "flat · 1 job in the queue"})
    engine.gate.set()
    await harness.result(interaction)
    await local.until(lambda: local.presences == {0: "flat · the queue is empty"})


async def test_all_shards_show_it_and_new_sessions_too(sharded: BotHarness) -> None:  # noqa: F811
    """A session that was resumed shows it still, and a new one again."""
    local, text = sharded.discord, "flat · the queue is empty"
    await local.until(lambda: local.presences == dict.fromkeys(range(SHARDS), text))
    await sharded.stop()
    sharded.presence_seconds = 1.0
    await sharded.start()
    await local.until(lambda: local.presences == dict.fromkeys(range(SHARDS), text))
    sessions = {session.id for session in local.gateway.sessions}
    local.sockets.invalidate(resumable=False)
    await eventually(lambda: len({s.id for s in local.gateway.sessions} - sessions) == SHARDS)
    await local.until(lambda: local.presences == dict.fromkeys(range(SHARDS), text))


async def test_the_local_discord_limits_updates(playground: Playground, bot: PlaygroundBot) -> None:
    """A sixth in 20 seconds closes the connection."""
    for nth in range(5):
        await bot.change_presence(activity=discord.CustomActivity(f"{nth}"))
    await playground.until(lambda: playground.presences == {0: "4"})
    assert playground.violations == []
    await bot.change_presence(activity=discord.Game("chess"))
    await playground.until(lambda: playground.violations)
    assert playground.violations == ["GATEWAY opcode 3: shard 0 too often"]
    playground.violations.clear()


@pytest.mark.parametrize("name", ["", "x" * 129])
async def test_the_local_discord_checks_the_text(
    playground: Playground, bot: PlaygroundBot, name: str
) -> None:
    """Discord closes connections that send what is not valid."""
    await bot.change_presence(activity=discord.Game("chess"))
    await playground.until(lambda: playground.presences == {0: "chess"})
    await bot.change_presence(activity=discord.Game(name))
    await playground.until(lambda: bot.resumed.is_set())
    assert playground.presences == {0: "chess"}
