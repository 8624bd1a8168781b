"""How the bot is doing right now: what it tells Prometheus, Docker, and who asks with /stats."""

import time
from collections.abc import Callable
from importlib import metadata
from typing import Final, Protocol

import msgspec

from bot.db.stats import Figures, Queue, Spell
from bot.engine_client.base import EngineClient
from bot.errors import BotError
from bot.monitoring.metrics import Facts, Metrics

DAY: Final = 24 * 3600.0


class Gateway(Protocol):
    """The connection to Discord."""

    @property
    def online(self) -> bool:
        """Is it connected and ready?"""

    @property
    def latency(self) -> float:
        """Seconds between a heartbeat and its answer; NaN or infinite before the first."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Can people get pictures?"""

    ok: bool
    down: tuple[str, ...]
    """Of `gateway`, `engine` and `record`, those that are."""
    queue: int | None
    """Jobs that wait; None if the record is down."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants to know."""

    version: str
    model: str
    uptime: float
    """Seconds since the start."""
    memory: float | None
    """Bytes of this process; None where that is not known."""
    now: Facts
    day: Spell
    """What ended in the last 24 hours."""


class Monitor:
    """Looks at the parts, and changes nothing."""

    def __init__(
        self,
        metrics: Metrics,
        figures: Figures,
        engine: EngineClient,
        gateway: Gateway,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._metrics = metrics
        self._figures = figures
        self._engine = engine
        self._gateway = gateway
        self._clock = clock
        self._began = time.monotonic()

    async def facts(self) -> Facts:
        """How things are now."""
        queue = await self._queue()
        oldest = queue.oldest if queue is not None else None
        engine = self._engine.status
        return Facts(
            queue=queue,
            oldest=0.0 if oldest is None else max(0.0, self._clock() - oldest),
            engine=engine.is_connected,
            restarts=engine.restarts,
            pulse=engine.heartbeat,
            gateway=self._gateway.online,
            latency=_measured(self._gateway.latency),
        )

    async def health(self) -> Health:
        """Which parts are down?"""
        facts = await self.facts()
        parts = {
            "gateway": facts.gateway,
            "engine": facts.engine,
            "record": facts.queue is not None,
        }
        down = tuple(name for name, up in parts.items() if not up)
        return Health(ok=not down, down=down, queue=facts.queue.waiting if facts.queue else None)

    async def page(self) -> bytes:
        """All figures, in Prometheus' text format."""
        return self._metrics.exposed(await self.facts())

    async def report(self) -> Report:
        """Raises BotError, in words for the person, if the record does not answer."""
        return Report(
            version=version(),
            model=self._engine.model.name,
            uptime=time.monotonic() - self._began,
            memory=self._metrics.memory,
            now=await self.facts(),
            day=await self._figures.since(self._clock() - DAY),
        )

    async def _queue(self) -> Queue | None:
        try:
            return await self._figures.queue()
        except BotError:
            return None


def version() -> str:
    """Of this bot."""
    try:
        return metadata.version("imagine-bot")
    except metadata.PackageNotFoundError:  # it runs from a folder that was not installed
        return "unknown"


def _measured(latency: float) -> float | None:
    return latency if 0 <= latency < DAY else None
