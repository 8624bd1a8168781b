"""The Discord client's events and its shutdown."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from discord import app_commands

from bot.client import Client
from bot.context import BotClient
from bot.features import FEATURES
from bot.features.exports import Exports
from tests.manual_time import idle


def test_the_readme_names_every_command() -> None:
    """Slash commands and the commands of the Apps menu."""
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    for feature in FEATURES:
        for command in feature.commands:
            is_in_menu = isinstance(command, app_commands.ContextMenu)
            assert (command.name if is_in_menu else f"`/{command.name}") in text


async def test_failed_start_up_work_does_not_stop_the_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The error is logged, and the work of other features is done."""
    completed: list[str] = []

    async def broken(_: BotClient) -> None:
        raise KeyError("lock")

    async def working(_: BotClient) -> None:
        completed.append("working")

    features = (Exports(on_ready=(broken, working)),)
    await Client(aiohttp.TraceConfig(), features=features).start_up()
    assert completed == ["working"]
    assert "KeyError: 'lock'" in caplog.text


async def test_start_up_work_runs_once_at_a_time() -> None:
    """Sessions that begin during a run have one more run together."""
    running, runs, may_end = 0, 0, asyncio.Event()

    async def work(_: BotClient) -> None:
        nonlocal running, runs
        running, runs = running + 1, runs + 1
        assert running == 1
        await may_end.wait()
        running -= 1

    client = Client(aiohttp.TraceConfig(), features=(Exports(on_ready=(work,)),))
    sessions = [asyncio.create_task(client.start_up()) for _ in range(4)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert (running, runs) == (1, 1)
    may_end.set()
    await asyncio.gather(*sessions)
    assert (running, runs) == (0, 2)
    await client.start_up()
    assert runs == 3


async def test_events_after_the_end_are_ignored() -> None:
    """discord.py becomes ready a moment after the last server arrived, even if it was closed."""
    async with Client(aiohttp.TraceConfig()) as client:
        await client.close()
    client.dispatch("shard_ready", 0)
    await idle()
    assert client.handlers == set()
    assert not client.online


async def test_drain_waits_for_cancelled_handlers_to_end() -> None:
    """Their code may still respond to the user while the connection is open."""
    client = Client(aiohttp.TraceConfig())
    steps: list[str] = []

    async def handler() -> None:
        client.track_current_task()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            steps.append("responded")

    task = asyncio.create_task(handler())
    await asyncio.sleep(0)
    await client.drain(0.01)
    assert task.cancelled()
    assert steps == ["responded"]
    assert client.handlers == set()


async def test_drain_returns_at_once_without_handlers() -> None:
    """The shutdown is not delayed."""
    async with asyncio.timeout(20):
        await Client(aiohttp.TraceConfig()).drain(60)
