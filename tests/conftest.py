"""Fixtures for all tests: a local Discord, an engine of flat colours, a bot between them.

What a fixture needs is imported by it, so that tests of the engine alone do not load Discord.
"""

import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from bot.playground import Channel, Person, Playground
    from tests.fake_engine import FakeEngine
    from tests.house import House
    from tests.openapi import OpenApi
    from tests.playground_bot import PlaygroundBot
    from tests.playground_http import Http

TESTS: Final = Path(__file__).parent
PROCESS_FILES: Final = frozenset({
    "test_crashes",
    "test_engine_main",
    "test_engine_process",
    "test_hostile_files",
    "test_log_story",
    "test_main",
    "test_page_story",
    "test_playground_page",
    "test_privacy_crashes",
    "test_sandbox",
    "test_sanitize",
    "test_soak",
    "test_stories",
    "test_wheel",
})  # fmt: skip
"""Files whose tests start the bot, an engine, a decoder or a browser as a process."""
MAX_WORKERS: Final = 4
"""Each worker that computes with torch needs up to 1 GiB."""
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the engine does; before torch is loaded
settings.register_profile("patient", deadline=None)  # a busy machine is no finding
settings.load_profile("patient")


def pytest_xdist_auto_num_workers() -> int:
    """The number of workers for `--numprocesses auto`: one for each core that may be used."""
    affinity = getattr(os, "sched_getaffinity", None)
    return min(len(affinity(0)) if affinity else os.cpu_count() or 1, MAX_WORKERS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start processes, and choose which tests share a worker.

    A file's tests run on one worker, in order. All tests that start processes share a worker too,
    so that they do not compete with each other, and start first, because they take longest.
    Raises UsageError if PROCESS_FILES names a file that does not exist.
    """
    missing = [name for name in PROCESS_FILES if not (TESTS / f"{name}.py").exists()]
    if missing:
        raise pytest.UsageError(f"PROCESS_FILES in conftest.py names {missing}: no such files.")
    for item in items:
        starts_processes = item.path.stem in PROCESS_FILES
        if starts_processes:
            item.add_marker(pytest.mark.process)
        group = "process" if starts_processes else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: item.path.stem not in PROCESS_FILES)


@pytest.fixture(scope="session")
def openapi() -> "OpenApi | None":
    """The validator for Discord's OpenAPI document; None if it is missing, except in CI."""
    from tests.openapi import OpenApi, document_path

    return OpenApi.load() if document_path().exists() or os.environ.get("CI") else None


@pytest.fixture
async def playground(openapi: "OpenApi | None") -> AsyncIterator["Playground"]:
    """A local Discord whose traffic is validated against the OpenAPI document."""
    from bot.playground import Playground

    async with Playground(port=0) as server:
        if openapi is not None:
            openapi.problems.clear()
            openapi.watch(server)
        yield server
    assert openapi is None or openapi.problems == []


@pytest.fixture
async def discord(playground: "Playground") -> AsyncIterator["Playground"]:
    """A local Discord; the test fails if the bot violates a rule of the API."""
    yield playground
    assert playground.violations == []


@pytest.fixture
async def bot(playground: "Playground") -> AsyncIterator["PlaygroundBot"]:
    """A small discord.py bot that is connected."""
    from tests.playground_bot import start_bot

    async with start_bot(playground) as connected_bot:
        yield connected_bot


@pytest.fixture
async def http(playground: "Playground", openapi: "OpenApi | None") -> AsyncIterator["Http"]:
    """A REST client, whose requests may have fields that the OpenAPI document does not know."""
    from tests.playground_http import Http

    async with aiohttp.ClientSession() as session:
        yield Http(session, playground)
    if openapi is not None:
        openapi.problems[:] = [p for p in openapi.problems if " unknown: " not in p]


@pytest.fixture
def engine() -> "FakeEngine":
    """An engine that paints flat colours at once."""
    from tests.fake_engine import FakeEngine

    return FakeEngine()


@pytest.fixture
async def house(
    discord: "Playground", engine: "FakeEngine", tmp_path: Path
) -> AsyncIterator["House"]:
    """A whole bot on the local Discord with that engine."""
    from tests.house import House

    async with House(discord, engine, tmp_path) as house:
        yield house


@pytest.fixture
async def mods(house: "House") -> "Channel":
    """The channel for reports, which an admin has chosen."""
    from tests.reporting import response_text

    channel = house.discord.add_channel("mods")
    admin = house.discord.person("Eve", admin=True)
    interaction = await admin.slash("admin moderators", channel=channel)
    assert "Reports are now posted to" in await response_text(house, interaction)
    return channel


@pytest.fixture
def ben(house: "House") -> "Person":
    """A second user."""
    return house.discord.person("Ben")


@pytest.fixture
def mo(house: "House") -> "Person":
    """A moderator."""
    return house.discord.person("Mo", moderator=True)


@pytest.fixture
def configured_log(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """The bot's log on standard error; afterwards there is none, as before."""
    from engine import log

    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    log.configure("bot")
    yield capsys
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)
