"""Fixtures for all tests: a local Discord, an engine of flat colours, a bot between them.

What a fixture needs is imported by it, so that tests of the engine alone do not load Discord.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from bot.playground import Playground
    from tests.fake_engine import FakeEngine
    from tests.house import House
    from tests.openapi import OpenApi

settings.register_profile("patient", deadline=None)  # a busy machine is no finding
settings.load_profile("patient")


@pytest.fixture(scope="session")
def openapi() -> "OpenApi | None":
    """Discord's official document, read once; None where it is absent and may be."""
    from tests.openapi import OpenApi, document_path

    return OpenApi.load() if document_path().exists() or os.environ.get("CI") else None


@pytest.fixture
async def discord(openapi: "OpenApi | None") -> AsyncIterator["Playground"]:
    """A local Discord, whose rules, written and official, nobody may have broken in the end."""
    from bot.playground import Playground

    async with Playground(port=0) as discord:
        if openapi is not None:
            openapi.problems.clear()
            openapi.watch(discord)
        yield discord
    assert discord.violations == []
    assert openapi is None or openapi.problems == []


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
