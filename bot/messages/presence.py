"""The bot's presence: its default model, and how many jobs wait or are painted."""

import asyncio
from collections.abc import Sequence
from typing import Final

import discord

from bot.aio import Sleep
from bot.db.stats import QueueStats
from bot.domain.model_names import short_names
from bot.engine_client.base import EngineClient
from bot.gateway.sharded_client import ShardedClient
from bot.monitoring.status import StatusReporter
from engine.contract import ModelCard

PRESENCE_SECONDS: Final = 20.0
"""Between two changes; Discord allows five of them in this time for each connection."""
_OFFLINE_SECONDS: Final = 1.0
"""Between two attempts while the bot is not connected."""
_MAX_CHARS: Final = 128


class PresenceUpdater:
    """Changes the presence at a limited rate; `run` must be running."""

    def __init__(
        self,
        client: ShardedClient,
        engine: EngineClient,
        status_reporter: StatusReporter,
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._client = client
        self._engine = engine
        self._status_reporter = status_reporter
        self._sleep = sleep

    async def run(self, seconds: float = PRESENCE_SECONDS) -> None:
        """Show the presence on all shards, and again on those whose sessions are new."""
        while True:
            if self._client.online:
                await self._show()
            await self._sleep(seconds if self._client.online else min(seconds, _OFFLINE_SECONDS))

    async def _show(self) -> None:
        now = await self._status_reporter.snapshot()
        activity = discord.CustomActivity(text(self._engine.models, now.queue, now.is_engine_up))
        status = discord.Status.online if now.is_engine_up else discord.Status.idle
        await self._client.show_presence(activity, status)


def text(models: Sequence[ModelCard], queue: QueueStats | None, is_engine_up: bool) -> str:
    """In one line; `queue` is None if the database does not respond."""
    names = list(short_names(models))
    more = f" +{len(names) - 1}" if len(names) > 1 else ""
    parts = [f"{names[0][: _MAX_CHARS // 2]}{more}"] if names else []
    if not is_engine_up:
        parts.append("the engine is restarting")
    if queue is not None:
        parts.append(_jobs(queue.waiting + queue.running))
    return " · ".join(parts)


def _jobs(count: int) -> str:
    if not count:
        return "the queue is empty"
    return "1 job in the queue" if count == 1 else f"{count} jobs in the queue"
