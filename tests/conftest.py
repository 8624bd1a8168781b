"""Fixtures for all tests: a local Discord, an engine of flat colours, a bot between them.

What a fixture needs is imported by it, so that tests of the engine alone do not load Discord.
"""

import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from bot.playground import Playground
    from tests.fake_engine import FakeEngine
    from tests.house import House
    from tests.openapi import OpenApi
    from tests.playground_bot import Easel
    from tests.playground_http import Http

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the engine does; before torch is loaded
settings.register_profile("patient", deadline=None)  # a busy machine is no finding
settings.load_profile("patient")


@pytest.fixture(scope="session")
def openapi() -> "OpenApi | None":
    """Discord's official document, read once; None where it is absent and may be."""
    from tests.openapi import OpenApi, document_path

    return OpenApi.load() if document_path().exists() or os.environ.get("CI") else None


@pytest.fixture
async def here(openapi: "OpenApi | None") -> AsyncIterator["Playground"]:
    """A local Discord held against the official document; its own rules a test may break."""
    from bot.playground import Playground

    async with Playground(port=0) as playground:
        if openapi is not None:
            openapi.problems.clear()
            openapi.watch(playground)
        yield playground
    assert openapi is None or openapi.problems == []


@pytest.fixture
async def discord(here: "Playground") -> AsyncIterator["Playground"]:
    """A local Discord none of whose rules were broken in the end."""
    yield here
    assert here.violations == []


@pytest.fixture
async def bot(here: "Playground") -> AsyncIterator["Easel"]:
    """A small bot on the real discord.py that is online."""
    from tests.playground_bot import easel

    async with easel(here) as online:
        yield online


@pytest.fixture
async def http(here: "Playground", openapi: "OpenApi | None") -> AsyncIterator["Http"]:
    """A bare client of the REST API, which may say what the official document does not know."""
    from tests.playground_http import Http

    async with aiohttp.ClientSession() as session:
        yield Http(session, here)
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
def begun(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """The bot's log on standard error; afterwards there is none, as before."""
    from engine import log

    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    log.begin("bot")
    yield capsys
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)
