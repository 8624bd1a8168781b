"""The asyncio tasks that work on jobs, and what happens when one of them fails."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Self

from bot.domain.job import Status
from bot.errors import INTERNAL_ERROR, FatalError
from bot.i18n import ENGLISH, in_language
from bot.services.outbox import Outbox
from engine.log import log_context

log = logging.getLogger(__name__)


class JobTasks:
    """Use as `async with`, which cancels the remaining tasks on exit; `watch` must be running.

    An unexpected error fails only the job of its task; a FatalError ends `watch`.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._tasks: set[asyncio.Task[None]] = set()
        self._fatal: asyncio.Queue[FatalError] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def start(self, job_id: str, work: Coroutine[None, None, None]) -> None:
        """Run `work` for this job in a task of its own."""
        task = asyncio.create_task(self._guarded(job_id, work), name=job_id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # if it was cancelled before its start

    def has_running_task(self, job_id: str) -> bool:
        """Whether a task of this job is running, which may still write files."""
        return any(task.get_name() == job_id for task in self._tasks)

    async def watch(self) -> None:
        """Wait for the first FatalError of a task and raise it."""
        raise await self._fatal.get()

    async def wait(self, seconds: float) -> None:
        """Wait until all tasks are done, but no longer than this."""
        if self._tasks:
            log.info("Finishing %d jobs.", len(self._tasks))
            await asyncio.wait(self._tasks, timeout=seconds)

    async def _guarded(self, job_id: str, work: Coroutine[None, None, None]) -> None:
        with log_context(job=job_id), in_language(ENGLISH):  # what is stored is English
            try:
                await self._run_or_fail(job_id, work)
            except FatalError as error:
                self._fatal.put_nowait(error)

    async def _run_or_fail(self, job_id: str, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except FatalError:
            raise
        except Exception:  # a bug; the user of the job gets an ending, and other jobs go on
            log.exception("A job failed unexpectedly.")
            await self._outbox.finish(job_id, Status.FAILED, INTERNAL_ERROR)
