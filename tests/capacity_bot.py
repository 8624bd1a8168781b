"""The bot that `capacity_limits.py` measures; it prints JSON lines."""

import asyncio
import gc
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import discord
import msgspec
import psutil
from pydantic import SecretStr

from bot.app import run
from bot.client import Client
from bot.engine_client.socket_client import Endpoint
from bot.features import FEATURES
from bot.settings import Settings
from bot.startup.discord_connection import configure_api, login
from tests.new_database import create_database


class CountingClient(Client):
    """The bot's client without start-up work, which counts the reactions that it has handled."""

    def __init__(self, expected: int) -> None:
        features = [msgspec.structs.replace(feature, on_ready=()) for feature in FEATURES]
        super().__init__(aiohttp.TraceConfig(), features=features, identify_interval=0)
        self.all_handled = asyncio.Event()
        self.first_at = 0.0
        self._expected = expected
        self._count = 0

    async def on_raw_reaction_add(self, reaction: discord.RawReactionActionEvent) -> None:
        """Handle it as the bot does."""
        self.first_at = self.first_at or time.perf_counter()
        await super().on_raw_reaction_add(reaction)
        self._count += 1
        if self._count == self._expected:
            self.all_handled.set()


async def handle_events(api: str, token: str, expected: str) -> None:
    """Connect, print the memory, and then the seconds that so many reactions took."""
    await configure_api(api, token, None)
    async with CountingClient(int(expected)) as client:
        await login(client, token)
        connection = asyncio.create_task(client.connect())
        await client.wait_until_ready()
        gc.collect()
        write({"rss": psutil.Process().memory_info().rss})
        await client.all_handled.wait()
        write({"seconds": time.perf_counter() - client.first_at})
        await connection


async def paint(api: str, token: str, folder: str, host: str, port: str, secret: str) -> None:
    """Run the whole bot with an engine at this address."""

    @asynccontextmanager
    async def launch() -> AsyncIterator[Endpoint]:
        yield Endpoint(host, int(port), secret)

    create_database(Path(folder))
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        discord_token=SecretStr(token),
        discord_api=api,
        imagine_data=Path(folder),
    )
    await run(settings, asyncio.Event(), launch=launch)


def write(line: Any) -> None:  # noqa: ANN401 # any JSON
    """Print a line."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    mode, *arguments = sys.argv[1:]
    asyncio.run(paint(*arguments) if mode == "jobs" else handle_events(*arguments))
