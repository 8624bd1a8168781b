"""The jobs of one connection: pass its commands to the engine, and the engine's events back."""

import asyncio
import contextlib
import logging
from collections import ChainMap
from collections.abc import Callable
from typing import Final, TypeVar

from engine.contract import (
    HEARTBEAT_SECONDS,
    Backlog,
    Cancel,
    Cancelled,
    Command,
    Completed,
    Event,
    Failed,
    Hello,
    Input,
    Interrupted,
    LastEvent,
    Paint,
)
from engine.contract.wire import WireError
from engine.server.event_queue import EventQueue, JobKey
from engine.server.input_store import InputStore
from engine.server.job_server import JobServer, SubmittedJob

MAX_UNSENT_BYTES: Final = 256 * 2**20
"""Limit for the unsent results of one connection: about two hundred large pictures."""
T = TypeVar("T")
log = logging.getLogger(__name__)


class Session:
    """The jobs of one connection. `abort` closes the connection at once."""

    def __init__(self, job_server: JobServer, abort: Callable[[], None]) -> None:
        self.event_queue = EventQueue()
        self._job_server = job_server
        self._abort = abort
        self._aborted = False
        self._loop = asyncio.get_running_loop()
        self._requests: dict[JobKey, SubmittedJob] = {}
        self._inputs = InputStore()

    def handle_command(self, command: Command) -> None:
        """Store an input, submit or cancel a job. Raises WireError for a repeated Hello or job."""
        match command:
            case Input():
                self._inputs.add(command.sha256, command.data)
            case Paint():
                self._submit(command)
            case Cancel():
                request = self._requests.get((command.job, command.attempt))
                if request is not None:
                    self._job_server.cancel(request)
            case Backlog():
                self._job_server.on_backlog(self, command)
            case Hello():
                raise WireError("Hello was already received.")

    async def send_heartbeats(self) -> None:
        """Queue a Heartbeat every HEARTBEAT_SECONDS, until cancelled."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            self.event_queue.put(self._job_server.heartbeat())

    def close(self) -> None:
        """Cancel the jobs of the connection."""
        for request in list(self._requests.values()):
            self._job_server.cancel(request)
        self._job_server.on_backlog(self, Backlog())

    def _submit(self, job: Paint) -> None:
        key = job.job, job.attempt
        if key in self._requests:
            raise WireError(f"Job {job.job}, attempt {job.attempt}, was sent twice.")
        files = self._files(job)
        limit = self._job_server.max_waiting
        if self._job_server.waiting >= limit:
            reason = f"{limit} jobs are waiting, which is the limit. Try again later."
            self._put(Failed(job=job.job, attempt=job.attempt, reason=reason))
            return
        log.info(
            "job received",
            extra={"job": job.job, "attempt": job.attempt, "pictures": len(job.recipes)},
        )
        self._requests[key] = self._job_server.submit(job, self._on_event_threadsafe, files)

    def _files(self, job: Paint) -> dict[str, bytes]:
        """The input images that the job lists, as far as this connection or its jobs have them."""
        sources = [self._inputs.take(job.inputs)]
        sources += [dict(request.files) for request in self._requests.values()]
        files = ChainMap(*sources)
        return {digest: files[digest] for digest in job.inputs if digest in files}

    def _on_event_threadsafe(self, event: Event) -> None:
        call_threadsafe(self._loop, self._on_event, event)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, LastEvent):
            del self._requests[event.job, event.attempt]
            extra = {"job": event.job, "attempt": event.attempt, **_log_fields(event)}
            log.info("job ended", extra=extra)
        self._put(event)

    def _put(self, event: Event) -> None:
        if self._aborted:
            return
        self.event_queue.put(event)
        if self.event_queue.unsent_bytes > MAX_UNSENT_BYTES:
            self._aborted = True
            size = self.event_queue.unsent_bytes // 2**20
            log.warning("connection closed: the peer does not read, %d MiB are unsent", size)
            self._abort()


def call_threadsafe(
    loop: asyncio.AbstractEventLoop, callback: Callable[[T], object], argument: T
) -> None:
    """Schedule a call in the loop's thread; does nothing if the loop is closed."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback, argument)


def _log_fields(ending: LastEvent) -> dict[str, str | float]:
    match ending:
        case Completed():
            return {"ending": "painted", "seconds": round(ending.seconds, 3)}
        case Failed():
            return {"ending": "failed", "reason": ending.reason}
        case Cancelled():
            return {"ending": "cancelled"}
        case Interrupted():
            return {"ending": "crashed" if ending.crashed else "handed back"}
