"""Chooses the next job, starts it and delivers its result."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from bot.aio import run_until
from bot.db.connection import DatabaseUnavailable
from bot.db.jobs import JobStore
from bot.domain.clock import Clock
from bot.domain.job import Job, Progress
from bot.engine_client.base import EngineClient
from bot.services.backlog import BacklogReporter
from bot.services.job_runner import JobRunner
from bot.services.job_tasks import JobTasks
from bot.services.notifier import Notifier
from bot.services.outbox import Outbox
from bot.services.scheduler import JobScheduler

_RETRY_SECONDS: Final = 5.0
_REFRESH_SECONDS: Final = 10.0
"""Time after which the expected ends of waiting jobs are estimated again."""
log = logging.getLogger(__name__)


class Dispatcher:
    """After `resume`, `run` must be running."""

    def __init__(
        self,
        jobs: JobStore,
        engine: EngineClient,
        scheduler: JobScheduler,
        runner: JobRunner,
        tasks: JobTasks,
        outbox: Outbox,
        notifier: Notifier,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._engine = engine
        self._scheduler = scheduler
        self._runner = runner
        self._tasks = tasks
        self._outbox = outbox
        self._notifier = notifier
        self._clock = clock
        self._backlog = BacklogReporter(engine, scheduler, clock)
        self._wake = asyncio.Event()
        self._is_queue_shown = False
        """Whether messages show positions in the queue."""
        self.is_draining = False
        engine.subscribe(self.wake)
        scheduler.claims.subscribe(self.wake)

    def wake(self) -> None:
        """Look for jobs to start: one was queued or has ended, or the engine has changed."""
        self._wake.set()

    async def resume(self) -> None:
        """Queue the jobs that the last process left running, and deliver what is undelivered."""
        await self._jobs.recover()
        await self._outbox.resume(self._tasks.start)

    async def run(self) -> None:
        """Start jobs as seats become free. Raises FatalError if the database is damaged."""
        await run_until(self._run(), self._backlog.run())

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._dispatch_ready()
            except DatabaseUnavailable as error:
                log.error("No job can be started: %s", error)  # noqa: TRY400 # the traceback says nothing
                asyncio.get_running_loop().call_later(_RETRY_SECONDS, self.wake)
            await self._next_wake()

    async def _next_wake(self) -> None:
        """Wait until something changes; while jobs wait, not for ever, because time passes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_REFRESH_SECONDS if self._is_queue_shown else None):
                await self._wake.wait()

    async def drain(self, seconds: float) -> None:
        """Start no more jobs, and wait up to `seconds` for those that are running.

        Jobs that are unfinished then run again after the next start.
        """
        self.is_draining = True
        self._scheduler.claims.close()
        await self._tasks.wait(seconds)

    def waive_charge(self, job_id: str) -> None:
        """Let nobody pay for a running job if it ends without pictures."""
        self._runner.waive_charge(job_id)

    async def stop(self, job: Job) -> None:
        """Stop a job that was ended at the engine and delete its files."""
        await self._runner.stop(job)
        self.wake()

    async def _dispatch_ready(self) -> None:
        if self.is_draining:
            return
        queue = await self._scheduler.ordered_queue()
        engine = self._engine.status
        if not engine.is_available:
            self._is_queue_shown = False
            self._backlog.update(queue)
            for job in queue:
                self._show(job, Progress(engine_down=True))
            return
        while job_to_start := self._scheduler.next_job(queue, engine.replicas):
            queue.remove(job_to_start)
            if self._scheduler.claims.grant(job_to_start):
                continue
            claimed = await self._jobs.claim(job_to_start.id, now=self._clock())
            if claimed is not None:
                self._scheduler.start(claimed)
                self._tasks.start(claimed.id, self._run_job(claimed))
        self._backlog.update(queue)
        self._show_queue(queue)

    def _show_queue(self, queue: Sequence[Job]) -> None:
        """Show waiting jobs how many go before them, and when they are expected to end."""
        self._is_queue_shown, now = bool(queue), self._clock()
        positions = enumerate(queue, start=self._scheduler.running)
        for (ahead, job), seconds in zip(positions, self._scheduler.ends(queue), strict=True):
            ends_at = None if seconds is None else now + seconds
            self._show(job, Progress(jobs_ahead=ahead, ends_at=ends_at))

    def _show(self, job: Job, progress: Progress) -> None:
        """Show the progress of a waiting job, unless it is work without a message."""
        if not self._scheduler.claims.has(job):
            self._notifier.show(job, progress)

    async def _run_job(self, job: Job) -> None:
        result = None
        try:
            prior_seconds = self._scheduler.virtual_time(job.user_id)
            set_painted = partial(self._scheduler.set_painted, job.id)
            result = await self._runner.run(
                job, prior_seconds=prior_seconds, on_painted=set_painted
            )
        finally:
            self._scheduler.end(job, 0.0 if result is None else result.engine_seconds)
            self.wake()
        if result.ended is not None:
            await self._outbox.deliver(result.ended)
