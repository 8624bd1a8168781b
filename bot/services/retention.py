"""Deletes jobs on request and by age: first in the database, then on disk.

A deletion and the list of files to remove are stored in one transaction. If the bot stops after
that, the next process removes the files.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from bot.db.connection import DatabaseUnavailable
from bot.db.erasure import ErasureStore
from bot.db.file_deletions import FileDeletion, FileDeletionStore, FileKind
from bot.db.jobs import JobStore
from bot.db.polls import PollStore
from bot.db.votes import VoteStore
from bot.domain import user_data
from bot.domain.clock import DAY, HOUR, Clock
from bot.domain.job import Job
from bot.domain.preferences import Layer, Owner
from bot.domain.user_data import RetentionPolicy, UserDataSummary
from bot.services.job_service import JobService
from bot.services.job_tasks import JobTasks
from bot.services.preferences import PreferenceService
from bot.storage import FileStorage

PASS_SECONDS: Final = 5.0
"""Between two passes."""
_RETRY_SECONDS: Final = 1.0
_BATCH_SIZE: Final = 100
"""Jobs or files in one transaction, which then takes a few milliseconds."""
_PAUSE_SECONDS: Final = 0.05
_JUMP_SECONDS: Final = 60.0
_DISTRUST_SECONDS: Final = HOUR
log = logging.getLogger(__name__)


class ClockCheck:
    """Detects that the clock was set forward, by comparing it with the monotonic clock."""

    def __init__(self) -> None:
        self._offset = 0.0
        """Clock minus monotonic clock at the last check."""
        self._distrusted_until = 0.0
        """On the monotonic clock."""

    def is_sane(self, now: float, monotonic: float) -> bool:
        """False for an hour after a jump: the new time may be wrong, and deletion is final."""
        offset, previous = now - monotonic, self._offset
        self._offset = offset
        if previous and offset - previous > _JUMP_SECONDS:
            log.warning("The clock was set ahead; for an hour nothing is deleted for its age.")
            self._distrusted_until = monotonic + _DISTRUST_SECONDS
        return monotonic >= self._distrusted_until


class Retention:
    """The user data that is stored, for how long, and its deletion. `run` must be running."""

    def __init__(
        self,
        jobs: JobStore,
        erasure: ErasureStore,
        votes: VoteStore,
        polls: PollStore,
        file_deletions: FileDeletionStore,
        storage: FileStorage,
        job_service: JobService,
        tasks: JobTasks,
        preferences: PreferenceService,
        *,
        policy: RetentionPolicy,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._erasure = erasure
        self._votes = votes
        self._polls = polls
        self._file_deletions = file_deletions
        self._storage = storage
        self._job_service = job_service
        self._tasks = tasks
        self._preferences = preferences
        self.policy = policy
        self._clock = clock
        self._clock_check = ClockCheck()
        self._retry_soon = asyncio.Event()

    async def erase_user(self, user_id: int) -> bool:
        """Cancel all jobs of this user, and delete them and the settings.

        False if not everything could be deleted; `run` then tries again.
        """
        cancelled: list[Job] = []
        try:
            for job in await self._jobs.unfinished(user_id):
                if await self._job_service.cancel(job, notify=False):
                    cancelled.append(job)
            async with self._preferences.erasing(user_id):
                count = await self._erasure.erase_user(user_id, now=self._clock())
        finally:
            for job in cancelled:
                self._job_service.announce(job)
        log.info("jobs deleted", extra={"jobs": count, "why": "wish"})
        complete = await self._delete_files()
        if not complete:
            self._retry_soon.set()
        return complete

    async def summary(self, user_id: int) -> UserDataSummary:
        """How much is stored of this user."""
        return await self._erasure.summary(user_id, now=self._clock())

    async def export_file(self, user_id: int, limit: int) -> tuple[str, bytes]:
        """Name and content of a file with all jobs, votes, polls and settings of this user.

        Compressed if it has more bytes than `limit`.
        """
        jobs = self._erasure.jobs(user_id)
        records = [user_data.export_record(*stored) async for stored in jobs]
        records += [user_data.vote_record(vote) for vote in await self._votes.of_user(user_id)]
        records += [user_data.poll_record(poll) for poll in await self._polls.of_user(user_id)]
        if settings := self._preferences.values(Owner(Layer.USER, user_id)):
            records.append({"settings": settings})
        return await asyncio.to_thread(user_data.export_file, records, limit)

    async def run(self, seconds: float = PASS_SECONDS) -> None:
        """Delete what has expired, and what could not be deleted before, at this interval."""
        while True:
            try:
                complete = await self.run_once()
            except DatabaseUnavailable as error:
                log.error("Nothing can be deleted: %s", error)  # noqa: TRY400 # the traceback says nothing
                complete = True
            self._retry_soon.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds if complete else _RETRY_SECONDS):
                    await self._retry_soon.wait()

    async def run_once(self) -> bool:
        """One pass; False if something is left to delete."""
        if self._clock_check.is_sane(self._clock(), time.monotonic()):
            await self._expire()
            await self._erasure.erase_deferred(now=self._clock())
            await self._erasure.expire_all(now=self._clock())
        return await self._delete_files()

    async def _expire(self) -> None:
        if self.policy.days is None:
            return
        now = self._clock()
        limit = now - self.policy.days * DAY
        while count := await self._erasure.erase_older_than(limit, limit=_BATCH_SIZE, now=now):
            log.info("jobs deleted", extra={"jobs": count, "why": "age"})
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _delete_files(self) -> bool:
        """Delete listed files, and old pages of the database; False if some are left."""
        deletions, left = await self._file_deletions.all(), 0
        for start in range(0, len(deletions), _BATCH_SIZE):
            left += await self._file_deletions.process(
                deletions[start : start + _BATCH_SIZE], self._delete
            )
            await asyncio.sleep(0)
        return await self._erasure.checkpoint() and not left

    async def _delete(self, deletions: Sequence[FileDeletion]) -> list[FileDeletion]:
        """Returns those that are complete; not those of running jobs, which may write more."""
        done = await asyncio.to_thread(self._delete_blocking, deletions)
        return [deletion for deletion in done if not self._tasks.has_running_task(deletion.name)]

    def _delete_blocking(self, deletions: Sequence[FileDeletion]) -> list[FileDeletion]:
        done = []
        for deletion in deletions:
            try:
                if deletion.kind is FileKind.PICTURES:
                    self._storage.delete_pictures_or_raise(deletion.name)
                else:
                    self._storage.delete_source(deletion.name)
            except OSError as error:
                log.error("files not deleted", extra={"reason": str(error)})  # noqa: TRY400 # the reason says it
            else:
                done.append(deletion)
        return done
