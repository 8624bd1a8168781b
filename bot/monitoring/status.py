"""The bot's current state, for Prometheus, health checks and /stats."""

import time
from importlib import metadata
from typing import Protocol

import msgspec

from bot.db.stats import PeriodStats, QueueStats, StatsStore
from bot.domain.clock import DAY, Clock
from bot.engine_client.base import EngineClient
from bot.errors import BotError
from bot.monitoring.metrics import Metrics, ShardStatus, StatusSnapshot


class GatewayStatus(Protocol):
    """The connections to Discord's gateway."""

    @property
    def online(self) -> bool:
        """Whether all are connected and ready."""

    @property
    def shard_statuses(self) -> tuple[ShardStatus, ...]:
        """The shards in order; none before the first connection."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The body of /healthz."""

    ok: bool
    down: tuple[str, ...]
    """Those of `gateway`, `engine` and `record` (the database) that are down."""
    queue: int | None
    """Waiting jobs; None if the database is down."""


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """What /stats shows."""

    version: str
    models: tuple[str, ...]
    """The names of the loaded models, the default first."""
    uptime: float
    """Seconds since the start."""
    memory: float | None
    """Resident memory of this process in bytes; None if the platform does not report it."""
    now: StatusSnapshot
    day: PeriodStats
    """The jobs that ended in the last 24 hours."""


class StatusReporter:
    """Reads the state of database, engine and gateway."""

    def __init__(
        self,
        metrics: Metrics,
        figures: StatsStore,
        engine: EngineClient,
        gateway: GatewayStatus,
        *,
        clock: Clock = time.time,
    ) -> None:
        self._metrics = metrics
        self._figures = figures
        self._engine = engine
        self._gateway = gateway
        self._clock = clock
        self._started = time.monotonic()

    async def snapshot(self) -> StatusSnapshot:
        """The state of queue, engine and gateway now."""
        queue = await self._queue()
        oldest = queue.oldest_at if queue is not None else None
        engine = self._engine.status
        return StatusSnapshot(
            queue=queue,
            oldest_wait=0.0 if oldest is None else max(0.0, self._clock() - oldest),
            is_engine_up=engine.is_available,
            engine_restarts=engine.restarts,
            models=tuple(model.name for model in self._engine.models)
            if engine.is_available
            else (),
            heartbeat=engine.heartbeat,
            is_gateway_up=self._gateway.online,
            shards=self._gateway.shard_statuses,
        )

    async def health(self) -> Health:
        """The body of /healthz."""
        now = await self.snapshot()
        parts = {
            "gateway": now.is_gateway_up,
            "engine": now.is_engine_up,
            "record": now.queue is not None,
        }
        down = tuple(name for name, is_up in parts.items() if not is_up)
        return Health(ok=not down, down=down, queue=now.queue.waiting if now.queue else None)

    async def metrics(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return self._metrics.render(await self.snapshot())

    async def report(self) -> StatusReport:
        """What /stats shows. Raises BotError if the database does not respond."""
        return StatusReport(
            version=version(),
            models=tuple(model.name for model in self._engine.models),
            uptime=time.monotonic() - self._started,
            memory=self._metrics.memory,
            now=await self.snapshot(),
            day=await self._figures.since(self._clock() - DAY),
        )

    async def _queue(self) -> QueueStats | None:
        try:
            return await self._figures.queue()
        except BotError:
            return None


def version() -> str:
    """The installed version of the bot; "unknown" if it is not installed."""
    try:
        return metadata.version("imagine-bot")
    except metadata.PackageNotFoundError:
        return "unknown"
