"""The jobs of one connection: its commands to the worker, the worker's events to it."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final, TypeVar

from engine.contract import (
    HEARTBEAT_SECONDS,
    Cancel,
    Cancelled,
    Command,
    Event,
    Failed,
    Hello,
    Paint,
    Painted,
)
from engine.contract.wire import WireError
from engine.core.request import Ticket
from engine.core.worker import Worker
from engine.server.event_queue import JobKey, Outbox

WAITING_LIMIT: Final = 256
"""Jobs of all connections; the bot keeps its own queue and sends few."""
UNREAD_LIMIT: Final = 256 * 2**20
"""Bytes of endings that may wait for one connection to read them: fifty jobs of large pictures."""
T = TypeVar("T")
log = logging.getLogger(__name__)


class Visit:
    """One connection's jobs. `give_up` closes it at once."""

    def __init__(self, worker: Worker, give_up: Callable[[], None]) -> None:
        self.outbox = Outbox()
        self._worker = worker
        self._give_up = give_up
        self._given_up = False
        self._loop = asyncio.get_running_loop()
        self._tickets: dict[JobKey, Ticket] = {}

    def obey(self, command: Command) -> None:
        """Do what was asked. Raises WireError if it makes no sense."""
        match command:
            case Paint():
                self._submit(command)
            case Cancel():
                ticket = self._tickets.get((command.job, command.attempt))
                if ticket is not None:
                    self._worker.cancel(ticket)
            case Hello():
                raise WireError("You have said Hello already.")

    async def beat(self) -> None:
        """Send a Heartbeat now and then, for ever."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            self.outbox.put(self._worker.pulse())

    def end(self) -> None:
        """Nobody listens any more: stop painting for them."""
        for ticket in list(self._tickets.values()):
            self._worker.cancel(ticket)

    def _submit(self, job: Paint) -> None:
        key = job.job, job.attempt
        if key in self._tickets:
            raise WireError(f"Job {job.job}, attempt {job.attempt}, was sent twice.")
        if self._worker.waiting >= WAITING_LIMIT:
            full = f"The engine has {WAITING_LIMIT} jobs waiting. Try again in a while."
            self._put(Failed(job=job.job, attempt=job.attempt, reason=full))
            return
        log.info(
            "job taken",
            extra={"job": job.job, "attempt": job.attempt, "pictures": len(job.recipes)},
        )
        self._tickets[key] = self._worker.submit(job, self._report_later)

    def _report_later(self, event: Event) -> None:
        soon(self._loop, self._hear, event)

    def _hear(self, event: Event) -> None:
        if isinstance(event, Painted | Failed | Cancelled):
            del self._tickets[event.job, event.attempt]
            ending = {"job": event.job, "attempt": event.attempt, **_told(event)}
            log.info("job ended", extra=ending)
        self._put(event)

    def _put(self, event: Event) -> None:
        if self._given_up:
            return
        self.outbox.put(event)
        if self.outbox.unread > UNREAD_LIMIT:
            self._given_up = True
            size = self.outbox.unread // 2**20
            log.warning("connection closed: it does not read, and %d MiB wait for it", size)
            self._give_up()


def soon(loop: asyncio.AbstractEventLoop, call: Callable[[T], object], what: T) -> None:
    """Call it in the loop's thread, unless the loop has ended."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call, what)


def _told(ending: Painted | Failed | Cancelled) -> dict[str, str | float]:
    match ending:
        case Painted():
            return {"ending": "painted", "seconds": round(ending.seconds, 3)}
        case Failed():
            return {"ending": "failed", "reason": ending.reason}
        case Cancelled():
            return {"ending": "cancelled"}
