"""The thread that paints: jobs one after another, each with exactly one ending."""

import gc
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import torch

from engine.contract import Cancelled, Ending, Failed, Paint, Queued
from engine.exits import DeviceBroken, Stopped, Unpaintable
from engine.hardware import context_lost, out_of_memory
from engine.painter import Painter, Report

WAITING_LIMIT: Final = 256
"""Jobs that may wait; the bot keeps its own queue and sends few."""
log = logging.getLogger(__name__)


@dataclass(eq=False)
class Ticket:
    """One job on its way through the worker. `report` is called in the worker's thread."""

    job: Paint
    report: Report
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Stop it before its next evaluation."""
        self._cancelled.set()

    def is_cancelled(self) -> bool:
        """Has somebody asked for it to stop?"""
        return self._cancelled.is_set()


class Worker:
    """A painter in a thread of its own.

    `broken` is called in that thread when the device is lost: then no job ends any more.
    """

    def __init__(self, painter: Painter, broken: Callable[[DeviceBroken], None]) -> None:
        self._painter = painter
        self._broken = broken
        self._waiting: deque[Ticket] = deque()
        self._running: Ticket | None = None
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="painter", daemon=True)
        self._thread.start()

    def submit(self, job: Paint, report: Report) -> Ticket:
        """Take a job; it hears Queued, Stepped and one ending through `report`."""
        ticket = Ticket(job, report)
        with self._changed:
            if len(self._waiting) >= WAITING_LIMIT:
                full = f"The engine has {WAITING_LIMIT} jobs waiting. Try again in a while."
                report(Failed(job=job.job, attempt=job.attempt, reason=full))
                return ticket
            self._waiting.append(ticket)
            self._say_places()
            self._changed.notify()
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """End a job with Cancelled: at once if it waits, before its next evaluation if it runs."""
        ticket.cancel()
        with self._changed:
            if ticket not in self._waiting:
                return
            self._waiting.remove(ticket)
            ticket.report(Cancelled(job=ticket.job.job, attempt=ticket.job.attempt))
            self._say_places()

    def close(self, patience: float = 10.0) -> None:
        """Cancel all jobs and wait (seconds) for the thread to end."""
        with self._changed:
            self._closing = True
            for ticket in [*self._waiting, *filter(None, [self._running])]:
                ticket.cancel()
            self._changed.notify()
        self._thread.join(patience)

    def _say_places(self) -> None:
        running = int(self._running is not None)
        for ahead, ticket in enumerate(self._waiting, start=running):
            ticket.report(Queued(job=ticket.job.job, attempt=ticket.job.attempt, ahead=ahead))

    def _next(self) -> Ticket | None:
        """Wait for a job; None when there will be no more."""
        with self._changed:
            self._running = None
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if not self._waiting:
                return None
            self._running = self._waiting.popleft()
            self._say_places()
            return self._running

    def _work(self) -> None:
        while ticket := self._next():
            try:
                ended = ending(self._painter, ticket)
            except DeviceBroken as error:
                self._broken(error)
                return
            ticket.report(ended)
            _clean_up(ended)


def ending(painter: Painter, ticket: Ticket) -> Ending:
    """Paint one job, come what may. Raises DeviceBroken if no job can be painted any more."""
    job = ticket.job

    def failed(reason: str) -> Failed:
        return Failed(job=job.job, attempt=job.attempt, reason=reason)

    try:
        return painter.paint(job, ticket.report, ticket.is_cancelled)
    except Stopped:
        return Cancelled(job=job.job, attempt=job.attempt)
    except Unpaintable as error:
        return failed(str(error))
    except Exception as error:
        if out_of_memory(error):
            log.warning("job %s ran out of memory", job.job)
            return failed(
                "The engine ran out of memory for this picture: ask for a smaller size or fewer "
                "pictures at once."
            )
        if context_lost(error):
            raise DeviceBroken(f"The accelerator is lost: {error}") from error
        log.exception("job %s failed", job.job)
        return failed(f"The engine made a mistake ({type(error).__name__}); its log says more.")


def _clean_up(ended: Ending) -> None:
    """After a failure give memory back, now that no traceback holds on to tensors."""
    if isinstance(ended, Failed):
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
