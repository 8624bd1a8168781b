"""Ends jobs, and delivers results, pictures, direct messages and cards until they have arrived."""

import asyncio
import logging
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from bot.aio import retry
from bot.db.connection import DatabaseUnavailable, retry_until_written
from bot.db.deliveries import DeliveryStore
from bot.db.jobs import JobStore
from bot.domain.clock import Clock
from bot.domain.delivery import Delivery, DeliveryKey, DeliveryKind, direct_copy, result_of
from bot.domain.job import Job, Status
from bot.errors import NETWORK_ERRORS, DeliveryFailed, FatalError, Refused
from bot.i18n import ENGLISH, N_, from_english, in_language
from bot.services.notifier import Sender
from bot.storage import FileMissing

RETRY_SECONDS: Final = (1, 2, 5, 15, 60, 300, 900)
"""Between two attempts; the last one repeats."""
POLL_SECONDS: Final = 30.0
"""Between two searches for what an attempt in a handler has left undelivered."""
_CANNOT_SHOW: Final = N_(
    "This cannot be shown. Something went wrong. The error is in the bot's log."
)
_RETRIED_ERRORS: Final = (DeliveryFailed, DatabaseUnavailable, *NETWORK_ERRORS)
Refuse = Callable[[str], Awaitable[bool]]
"""Shows a reason to the user; False if Discord did not accept it."""
Start = Callable[[str, Coroutine[None, None, None]], None]
"""Starts a task for the job of this id."""
log = logging.getLogger(__name__)


class Outbox:
    """A transactional outbox: what must arrive is stored first, so a restart loses nothing.

    Each kind of delivery has a sender, which makes one attempt to write its message. `run` must be
    running: it delivers what a crash or a failed attempt has left. A result for which `wants_copy`
    is true is sent to its user as a direct message, too. Other messages than results are written
    in their `language`; those of jobs choose it themselves.
    """

    def __init__(
        self,
        jobs: JobStore,
        deliveries: DeliveryStore,
        senders: Mapping[DeliveryKind, Sender],
        clock: Clock,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
        wants_copy: Callable[[Job], bool] = lambda job: False,
        language: Callable[[Delivery], str] = lambda delivery: ENGLISH,
    ) -> None:
        self._jobs = jobs
        self._deliveries = deliveries
        self._senders = senders
        self._clock = clock
        self._retry_seconds = retry_seconds
        self._wants_copy = wants_copy
        self._language = language
        self._in_progress: set[DeliveryKey] = set()
        """The keys of the deliveries that this process is attempting."""
        self._wake = asyncio.Event()

    # Results of jobs

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
            await self._complete(result_of(cancelled))
        return cancelled

    async def deliver(self, job: Job) -> None:
        """Deliver the ending of an ended job, with as many attempts as it takes."""
        await self._deliver(result_of(job))

    # What a user waits for in a handler

    @asynccontextmanager
    async def adding(self, delivery: Delivery) -> AsyncIterator[None]:
        """Store a delivery whose first attempt is made in the body, by `deliver_now`.

        If the body fails, it is attempted again later.
        """
        with self._mark_in_progress(delivery):
            try:
                await self._deliveries.add(delivery)
            except DatabaseUnavailable as error:
                extra = {"job": delivery.job_id, "reason": str(error)}
                log.warning("the interaction could not be stored", extra=extra)
            yield

    async def earlier(self, delivery: Delivery) -> Delivery | None:
        """What shows the same picture in the same channel, or is about to, and was requested before
        this delivery, which is being added. Its message may be gone."""
        return await self._deliveries.earlier(delivery)

    async def withdraw(self, delivery: Delivery) -> None:
        """Forget a delivery that has no message, because an earlier one shows the same."""
        await self._complete(delivery)

    async def deliver_now(self, delivery: Delivery, refuse: Refuse) -> bool:
        """Make one attempt, while the user waits for it; False if nobody can see the message.

        If there is nothing to show, `refuse` is called with the reason; if that fails, the delivery
        is attempted again later, as it is after an error, which is raised.
        """
        is_shown = False
        try:
            with in_language(self._language(delivery)):
                is_shown = await self._senders[delivery.kind].send(delivery, is_first=True)
        except (Refused, FileMissing) as error:
            if not await refuse(str(error)):
                return False
        await self._complete(delivery)
        return is_shown

    # What is undelivered

    async def resume(self, start: Start) -> None:
        """Deliver the results that the last process has left, each in a task that `start` makes.

        Everything else follows in `run`, once Discord is ready.
        """
        for delivery in await retry_until_written(self._deliveries.undelivered):
            if delivery.kind is DeliveryKind.RESULT:
                start(delivery.job_id, self._deliver(delivery))

    def wake(self) -> None:
        """Let `run` attempt what is undelivered now: Discord can be reached again."""
        self._wake.set()

    async def run(self, start: Start) -> None:
        """Attempt again and again what a handler could not deliver.

        Results are not among it: the task of their job attempts them for as long as it takes.
        """
        while True:
            self._wake.clear()
            await self._until_woken()
            for delivery in await retry_until_written(self._deliveries.undelivered):
                if delivery.kind is not DeliveryKind.RESULT:
                    start(delivery.job_id, self._deliver(delivery))

    async def _until_woken(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _deliver(self, delivery: Delivery) -> None:
        """Attempt a delivery until it has arrived, unless another task does.

        Only network errors and a locked database are retried. After any other error, which is a
        bug, the user gets a plain sentence instead. Pictures that could not be shown cost nothing.
        """
        if delivery.key in self._in_progress:
            return
        with self._mark_in_progress(delivery):
            sender = self._senders[delivery.kind]
            try:
                is_shown = await self._attempt(delivery, sender.send)
            except FatalError:
                raise
            except (Refused, FileMissing) as error:
                is_shown = await self._explain(delivery, str(error))
            except Exception:  # a bug, as the docstring says
                log.exception(_event(delivery), extra={"job": delivery.job_id})
                await self._explain(delivery, _CANNOT_SHOW)
                is_shown = False
            await self._complete(delivery, is_shown=is_shown)

    async def _explain(self, delivery: Delivery, reason: str) -> bool:
        sender = self._senders[delivery.kind]
        return await self._attempt(
            delivery, lambda current: sender.explain(current, from_english(reason))
        )

    async def _attempt(
        self, delivery: Delivery, send: Callable[[Delivery], Awaitable[bool]]
    ) -> bool:
        """The result of `send`, which is called with the delivery as it is stored by then.

        False if it is no longer to be delivered.
        """

        async def attempt() -> bool:
            current = await self._deliveries.current(delivery)
            with in_language(self._language(delivery)):
                return current is not None and await send(current)

        def delay_after(error: Exception, seconds: float) -> float:
            extra = {"job": delivery.job_id, "reason": str(error)}
            log.warning(_event(delivery), extra=extra)
            return max(seconds, error.retry_after) if isinstance(error, DeliveryFailed) else seconds

        return await retry(attempt, _RETRIED_ERRORS, self._retry_seconds, delay_after)

    async def _complete(self, delivery: Delivery, *, is_shown: bool = True) -> None:
        if delivery.kind is not DeliveryKind.RESULT:
            await retry_until_written(
                lambda: self._deliveries.complete(delivery, now=self._clock())
            )
            return
        job = await retry_until_written(lambda: self._jobs.job(delivery.job_id))
        is_done = job is not None and job.status is Status.DONE
        refund = is_done and not is_shown
        if is_done and is_shown and job is not None and self._wants_copy(job):
            copy = direct_copy(job, now=self._clock())
            await retry_until_written(lambda: self._deliveries.add(copy))
            self.wake()
        await retry_until_written(
            lambda: self._jobs.mark_delivered(delivery.job_id, now=self._clock(), refund=refund)
        )

    @contextmanager
    def _mark_in_progress(self, delivery: Delivery) -> Iterator[None]:
        self._in_progress.add(delivery.key)
        try:
            yield
        finally:
            self._in_progress.discard(delivery.key)


def _event(delivery: Delivery) -> str:
    """What the log calls a failed attempt."""
    is_result = delivery.kind is DeliveryKind.RESULT
    return "job not delivered" if is_result else "a message may stay empty"
