"""What the messages of unfinished jobs show of their progress: positions that only fall, and when
the jobs are expected to end; pure."""

import math
from typing import Final

import msgspec

from bot.domain.job import Progress

MIN_SECONDS: Final = 5.0
"""Sooner ends are not shown: they are past before anybody has read them."""
_TOLERANCE: Final = 0.2
_TOLERANCE_SECONDS: Final = 5.0
"""An end stays as it is shown until the estimate differs by more than these, because each change
is an edit of a message."""
_ALL: Final = 100


class _Job(msgspec.Struct):
    progress: Progress
    """As the message shows it."""
    least_ahead: int | None = None
    """The lowest position since the job began to wait."""
    first_percent: int = 0
    first_at: float | None = None
    """When the first percentage of this attempt came; None while the job waits."""


class Waits:
    """The progress of all unfinished jobs as their messages show it."""

    def __init__(self) -> None:
        self._jobs: dict[str, _Job] = {}

    def update(self, job_id: str, progress: Progress, now: float) -> Progress:
        """What to show of this new progress; `now` is in seconds since 1970.

        A position is never higher than an earlier one, although users with less recent usage go
        first, until the job is painted. Its expected end is measured from the first percentage.
        """
        job = self._jobs.setdefault(job_id, _Job(progress))
        seconds = None if progress.ends_at is None else progress.ends_at - now
        if progress.percent is not None:
            seconds = _painting_seconds(job, progress.percent, now)
            job.least_ahead = None
        else:
            job.first_at = None  # the next percentage is that of another attempt
        if progress.jobs_ahead is not None:
            least = progress.jobs_ahead if job.least_ahead is None else job.least_ahead
            job.least_ahead = min(least, progress.jobs_ahead)
        job.progress = msgspec.structs.replace(
            progress,
            jobs_ahead=None if progress.jobs_ahead is None else job.least_ahead,
            ends_at=_steady_end(job.progress.ends_at, seconds, now),
        )
        return job.progress

    def progress(self, job_id: str) -> Progress | None:
        """What the message of this job shows; None before its first progress and after its end."""
        job = self._jobs.get(job_id)
        return None if job is None else job.progress

    def remove(self, job_id: str) -> None:
        """Forget a job that has ended."""
        self._jobs.pop(job_id, None)

    def end_overdue(self, now: float) -> dict[str, Progress]:
        """What to show of the jobs whose expected ends have passed, by their ids."""
        overdue = {}
        for job_id, job in self._jobs.items():
            if job.progress.ends_at is not None and job.progress.ends_at <= now:
                job.progress = msgspec.structs.replace(job.progress, ends_at=None)
                overdue[job_id] = job.progress
        return overdue


def _painting_seconds(job: _Job, percent: int, now: float) -> float | None:
    """Until the rest is painted at the speed so far; None before a speed can be measured."""
    if job.first_at is None or percent < job.first_percent:
        job.first_percent, job.first_at = percent, now
    painted = percent - job.first_percent
    return (now - job.first_at) / painted * (_ALL - percent) if painted else None


def _steady_end(old_end: float | None, seconds: float | None, now: float) -> float | None:
    """The expected end in whole seconds since 1970; None if it is unknown or too close."""
    if seconds is None or seconds < MIN_SECONDS:
        return None
    end = math.ceil(now + seconds)
    tolerance = max(_TOLERANCE_SECONDS, _TOLERANCE * seconds)
    if old_end is not None and old_end >= now + MIN_SECONDS and abs(old_end - end) <= tolerance:
        return old_end
    return end
