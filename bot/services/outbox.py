"""Endings on their way to people: each is recorded once and shown until it is seen."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from typing import Final, Protocol

from bot.db.database import insist
from bot.db.jobs import Ledger
from bot.domain.job import Job, Progress, Status
from bot.domain.picture import Picture
from bot.errors import BotError, FatalError

_RETRY_SECONDS: Final = (1, 2, 5, 15, 60, 300, 900)
log = logging.getLogger(__name__)


class DeliveryFailed(BotError):
    """The ending of a job could not be shown; later it may."""


class Notifier(Protocol):
    """Shows jobs to people."""

    def show(self, job: Job, now: Progress) -> None:
        """Show how far the job is, soon, unless something newer comes first."""

    async def deliver(self, job: Job, pictures: Sequence[Picture]) -> None:
        """Show the ending, and nothing after it. Raises DeliveryFailed if that may work later."""

    async def is_answered(self, job: Job) -> bool:
        """Did the person get a first answer, so that somebody waits for this job?"""


class Outbox:
    """What it holds is in the ledger, so a restart loses nothing."""

    def __init__(self, ledger: Ledger, courier: Notifier, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._courier = courier
        self._clock = clock

    async def end(self, job: str, status: Status, reason: str | None = None) -> bool:
        """End a job without pictures, and say so; False if it had ended before."""
        ended = await insist(lambda: self._ledger.end(job, status, self._clock(), reason=reason))
        if ended:
            await self.deliver(job)
        return ended is not None

    async def close(self, job: str) -> None:
        """End a job that nobody waits for: there is nobody to tell."""
        await insist(lambda: self._ledger.end(job, Status.CANCELLED, self._clock()))
        await insist(lambda: self._ledger.delivered(job, now=self._clock()))

    async def deliver(self, name: str) -> None:
        """Show an ended job's ending, however often that must be tried."""
        job = await insist(lambda: self._ledger.job(name))
        if job is None:
            return
        pictures = await insist(lambda: self._ledger.pictures(name))
        for seconds in chain(_RETRY_SECONDS, repeat(_RETRY_SECONDS[-1])):
            try:
                await self._courier.deliver(job, pictures)
            except FatalError:
                raise
            except BotError as error:
                log.warning("job not delivered", extra={"job": name, "reason": str(error)})
            except Exception:
                log.exception("job not delivered", extra={"job": name})
            else:
                await insist(lambda: self._ledger.delivered(name, now=self._clock()))
                return
            await asyncio.sleep(seconds)
