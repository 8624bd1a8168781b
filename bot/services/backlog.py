"""Tells a cluster how many jobs wait for it, by which it chooses its number of replicas."""

import asyncio
from collections.abc import Sequence
from typing import Final

from bot.domain.clock import Clock
from bot.domain.job import Job
from bot.engine_client.base import EngineClient
from bot.services.scheduler import Schedule
from engine.contract import Backlog

REPORT_SECONDS: Final = 2.0
"""Least time between two reports."""
_REPEAT_SECONDS: Final = 10.0
"""Time after which a queue is reported again that has not changed, because its jobs grow older."""


class BacklogReporter:
    """`run` must be running. Nothing is sent to a single engine."""

    def __init__(self, engine: EngineClient, schedule: Schedule, clock: Clock) -> None:
        self._engine = engine
        self._schedule = schedule
        self._clock = clock
        self._queue: Sequence[Job] = ()
        self._has_changed = asyncio.Event()
        engine.subscribe(self._has_changed.set)

    def update(self, queue: Sequence[Job]) -> None:
        """The jobs that wait for a seat, after some were queued, started or cancelled."""
        if queue or self._queue:
            self._queue = tuple(queue)
            self._has_changed.set()

    async def run(self) -> None:
        """Report the queue when it changes, and again after a new connection."""
        while True:
            try:
                async with asyncio.timeout(_REPEAT_SECONDS if self._queue else None):
                    await self._has_changed.wait()
            except TimeoutError:
                pass
            self._has_changed.clear()
            if self._engine.status.is_cluster:
                await self._engine.report_backlog(self._backlog())
                await asyncio.sleep(REPORT_SECONDS)

    def _backlog(self) -> Backlog:
        oldest = min((job.created_at for job in self._queue), default=None)
        return Backlog(
            jobs=len(self._queue),
            seconds=sum(map(self._schedule.cost, self._queue)),
            oldest=0.0 if oldest is None else max(0.0, self._clock() - oldest),
        )
