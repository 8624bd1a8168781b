"""Ends jobs and delivers each ending until the user has received it."""

import asyncio
import logging
from collections.abc import Callable
from itertools import chain, repeat
from typing import Final

from bot.db.database import retry_until_written
from bot.db.jobs import JobStore
from bot.domain.job import Job, Status
from bot.errors import BotError, FatalError
from bot.services.notifier import Notifier

_RETRY_SECONDS: Final = (1, 2, 5, 15, 60, 300, 900)
log = logging.getLogger(__name__)


class Outbox:
    """A transactional outbox: undelivered endings are stored, so a restart loses none."""

    def __init__(self, jobs: JobStore, notifier: Notifier, clock: Callable[[], float]) -> None:
        self._jobs = jobs
        self._notifier = notifier
        self._clock = clock

    async def finish(self, job_id: str, status: Status, reason: str | None = None) -> bool:
        """End a job without pictures and deliver that; False if it had ended before."""
        ended = await retry_until_written(
            lambda: self._jobs.finish_without_pictures(job_id, status, self._clock(), reason=reason)
        )
        if ended is not None:
            await self.deliver(ended)
        return ended is not None

    async def abandon(self, job_id: str) -> None:
        """Cancel a job that nobody waits for, without a message."""
        await retry_until_written(
            lambda: self._jobs.finish_without_pictures(job_id, Status.CANCELLED, self._clock())
        )
        await retry_until_written(lambda: self._jobs.mark_delivered(job_id, now=self._clock()))

    async def deliver(self, job: Job) -> None:
        """Deliver the ending of an ended job, with as many attempts as it takes."""
        pictures = await retry_until_written(lambda: self._jobs.pictures(job.id))
        for seconds in chain(_RETRY_SECONDS, repeat(_RETRY_SECONDS[-1])):
            try:
                await self._notifier.deliver(job, pictures)
            except FatalError:
                raise
            except BotError as error:
                log.warning("job not delivered", extra={"job": job.id, "reason": str(error)})
            except Exception:
                log.exception("job not delivered", extra={"job": job.id})
            else:
                await retry_until_written(
                    lambda: self._jobs.mark_delivered(job.id, now=self._clock())
                )
                return
            await asyncio.sleep(seconds)
