"""How long people's jobs are kept, and their deletion: from the record first, then from disk.

Deleting is recorded in one transaction, together with a list of the files that must go. Whatever
stops the bot after that, the list is worked off by the next one.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from bot.db.database import RecordTrouble
from bot.db.erasure import Leaving, Privacy, Removal
from bot.db.jobs import Ledger
from bot.domain.user_data import Kept
from bot.services.job_service import JobService
from bot.storage import FileStorage

DAY: Final = 24 * 60 * 60.0
_PASS_SECONDS: Final = 5.0
_SOON_SECONDS: Final = 1.0
_BATCH: Final = 100
"""Jobs, or entries of the list, in one transaction: a few milliseconds."""
_JUMP_SECONDS: Final = 60.0
_DOUBT_SECONDS: Final = 3600.0
_PAUSE_SECONDS: Final = 0.05
log = logging.getLogger(__name__)


class Retention:
    """`run` must be running. Finished jobs are kept for so many `days`; None is for ever."""

    def __init__(
        self,
        ledger: Ledger,
        privacy: Privacy,
        archive: FileStorage,
        studio: JobService,
        *,
        days: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._privacy = privacy
        self._archive = archive
        self._studio = studio
        self._days = days
        self._clock = clock
        self._ahead = 0.0
        """How far the clock was ahead of the seconds that have passed, when it was last read."""
        self._doubted = 0.0
        """Until then, in seconds that have passed, the clock is not believed."""
        self._hurry = asyncio.Event()

    async def erase_user(self, person: int) -> bool:
        """Stop and delete all that this person has asked for so far.

        True if it is all gone, False if some of it must be tried again, which `run` does.
        """
        stopped = []
        try:
            for job in await self._ledger.unfinished(person):
                if await self._studio.cancel(job, notify=False):
                    stopped.append(job.id)
            jobs = await self._privacy.erase_person(person, now=self._clock())
        finally:
            for name in stopped:
                self._studio.announce_cancelled(name)
        log.info("jobs deleted", extra={"jobs": jobs, "why": "wish"})
        complete = await self._delete_files()
        if not complete:
            self._hurry.set()
        return complete

    async def summary(self, person: int) -> Kept:
        """How much there is of this person."""
        return await self._privacy.kept(person, now=self._clock())

    async def run(self) -> None:
        """Delete what is too old, and what could not be deleted before."""
        while True:
            try:
                done = await self.run_once()
            except RecordTrouble as error:
                log.error("Nothing can be deleted: %s", error)  # noqa: TRY400 # no trace is wanted
                done = True
            self._hurry.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_PASS_SECONDS if done else _SOON_SECONDS):
                    await self._hurry.wait()

    async def run_once(self) -> bool:
        """Do it once; True if nothing is left to do."""
        if self.is_clock_sane(self._clock(), time.monotonic()):
            await self._expire()
            await self._privacy.erase_wished(now=self._clock())
            await self._privacy.expire(now=self._clock())
        return await self._delete_files()

    def is_clock_sane(self, now: float, passed: float) -> bool:
        """A clock that was set ahead may be wrong, and what is deleted is gone: wait a while."""
        ahead, before = now - passed, self._ahead
        self._ahead = ahead
        if before and ahead - before > _JUMP_SECONDS:
            log.warning("The clock was set ahead; for an hour nothing is deleted for its age.")
            self._doubted = passed + _DOUBT_SECONDS
        return passed >= self._doubted

    async def _expire(self) -> None:
        """Delete what is older than was promised, in small steps."""
        if self._days is None:
            return
        now = self._clock()
        limit = now - self._days * DAY
        while jobs := await self._privacy.erase_older(limit, limit=_BATCH, now=now):
            log.info("jobs deleted", extra={"jobs": jobs, "why": "age"})
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _delete_files(self) -> bool:
        """Remove files that nobody needs, and what the database's files still hold."""
        removals, left = await self._privacy.removals(), 0
        for start in range(0, len(removals), _BATCH):
            left += await self._privacy.settle(removals[start : start + _BATCH], self._remove)
            await asyncio.sleep(0)
        return await self._privacy.checkpoint() and not left

    async def _remove(self, removals: Sequence[Removal]) -> list[Removal]:
        """Those that are gone for good; for a job at work, more may be written."""
        gone = await asyncio.to_thread(self._removed, removals)
        return [each for each in gone if not self._studio.has_running_task(each.name)]

    def _removed(self, removals: Sequence[Removal]) -> list[Removal]:
        gone = []
        for each in removals:
            try:
                if each.kind is Leaving.PICTURES:
                    self._archive.delete_pictures_or_raise(each.name)
                else:
                    self._archive.delete_source(each.name)
            except OSError as error:
                log.error("files not deleted", extra={"reason": str(error)})  # noqa: TRY400 # no trace is wanted
            else:
                gone.append(each)
        return gone
