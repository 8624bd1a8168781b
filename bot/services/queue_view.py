"""The unfinished jobs in the order in which they go on, as /queue shows them."""

import msgspec

from bot.db.jobs import JobStore
from bot.domain.job import Job, Progress, Status
from bot.domain.waits import Waits

_STARTING = Progress()


class QueuedJob(msgspec.Struct, frozen=True):
    """An unfinished job, and how far it is, as its message shows it."""

    job: Job
    progress: Progress


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the unfinished jobs."""

    jobs: tuple[QueuedJob, ...]
    """Those that are painted first, then those that wait, in their order."""
    total: int
    """The number of the unfinished jobs of all users."""


class QueueView:
    """Reads only."""

    def __init__(self, jobs: JobStore, waits: Waits) -> None:
        self._jobs = jobs
        self._waits = waits

    async def of_user(self, user_id: int) -> Queue:
        """The unfinished jobs of a user, in all channels."""
        jobs = await self._jobs.all_unfinished()
        return self._queue([job for job in jobs if job.user_id == user_id], len(jobs))

    async def of_guild(self, guild_id: int) -> Queue:
        """The unfinished jobs of all users in a guild."""
        jobs = await self._jobs.all_unfinished()
        return self._queue([job for job in jobs if job.target.guild_id == guild_id], len(jobs))

    def _queue(self, jobs: list[Job], total: int) -> Queue:
        queued = [QueuedJob(job, self._progress(job)) for job in jobs]
        return Queue(jobs=tuple(sorted(queued, key=_place)), total=total)

    def _progress(self, job: Job) -> Progress:
        progress = self._waits.progress(job.id) or _STARTING
        is_waiting = progress.jobs_ahead is not None
        return _STARTING if is_waiting and job.status is Status.RUNNING else progress


def _place(queued: QueuedJob) -> tuple[bool, float, float, str]:
    job, ahead = queued.job, queued.progress.jobs_ahead
    is_waiting = job.status is not Status.RUNNING
    return is_waiting, float("inf") if ahead is None else ahead, job.created_at, job.id
