"""Ends jobs and delivers each ending until the user has received it."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from bot.aio import retry
from bot.db.connection import DatabaseUnavailable, retry_until_written
from bot.db.jobs import JobStore
from bot.domain.clock import Clock
from bot.domain.job import Job, Status
from bot.errors import INTERNAL_ERROR, NETWORK_ERRORS, DeliveryFailed, FatalError
from bot.services.notifier import Notifier

RETRY_SECONDS: Final = (1, 2, 5, 15, 60, 300, 900)
"""Between two attempts; the last one repeats."""
_CANNOT_SHOW: Final = f"This cannot be shown. {INTERNAL_ERROR}"
_RETRIED_ERRORS: Final = (DeliveryFailed, DatabaseUnavailable, *NETWORK_ERRORS)
log = logging.getLogger(__name__)


class Outbox:
    """A transactional outbox: undelivered endings are stored, so a restart loses none."""

    def __init__(
        self,
        jobs: JobStore,
        notifier: Notifier,
        clock: Clock,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self._jobs = jobs
        self._notifier = notifier
        self._clock = clock
        self._retry_seconds = retry_seconds

    async def finish(self, job_id: str, status: Status, reason: str | None = None) -> bool:
        """End a job without pictures and deliver the ending; False if it had already ended.

        A failed job that has pictures is done instead.
        """
        ended = await retry_until_written(lambda: self._finish(job_id, status, reason))
        if ended is not None:
            await self.deliver(ended)
        return ended is not None

    async def _finish(self, job_id: str, status: Status, reason: str | None) -> Job | None:
        if status is Status.FAILED and reason is not None:
            return await self._jobs.fail(job_id, reason, self._clock())
        return await self._jobs.finish_without_pictures(
            job_id, status, self._clock(), reason=reason
        )

    async def abandon(self, job_id: str) -> Job | None:
        """Cancel a job without telling anybody: nobody can see how it ends.

        Returns the job; None if it had ended before.
        """
        cancelled = await retry_until_written(
            lambda: self._jobs.finish_without_pictures(job_id, Status.CANCELLED, self._clock())
        )
        if cancelled is not None:
            await self._mark_delivered(job_id)
        return cancelled

    async def deliver(self, job: Job) -> None:
        """Deliver the ending of an ended job, with as many attempts as it takes.

        Only network errors and a locked database are retried. After any other error, which is a
        bug, the user gets a plain sentence instead. Pictures that could not be shown cost nothing.
        """
        pictures = await retry_until_written(lambda: self._jobs.pictures(job.id))
        try:
            is_shown = await self._retry(job, lambda: self._notifier.deliver(job, pictures))
        except FatalError:
            raise
        except Exception:
            log.exception("job not delivered", extra={"job": job.id})
            await self._retry(job, lambda: self._notifier.deliver_error(job, _CANNOT_SHOW))
            is_shown = False
        await self._mark_delivered(job.id, refund=job.status is Status.DONE and not is_shown)

    async def _mark_delivered(self, job_id: str, *, refund: bool = False) -> None:
        await retry_until_written(
            lambda: self._jobs.mark_delivered(job_id, now=self._clock(), refund=refund)
        )

    async def _retry(self, job: Job, deliver: Callable[[], Awaitable[bool]]) -> bool:
        def delay_after(error: Exception, seconds: float) -> float:
            log.warning("job not delivered", extra={"job": job.id, "reason": str(error)})
            return max(seconds, error.retry_after) if isinstance(error, DeliveryFailed) else seconds

        return await retry(deliver, _RETRIED_ERRORS, self._retry_seconds, delay_after)
