"""The painter in a thread of its own: jobs come in from others, and wait while there is no room."""

import logging
import threading
from collections import deque

from engine.contract import Heartbeat, Paint
from engine.core.engine_core import Painter
from engine.core.postprocess import Broken
from engine.core.request import Report, Ticket
from engine.device.errors import is_device_lost
from engine.device.sysinfo import resident_memory
from engine.errors import DeviceLost, EngineError

log = logging.getLogger(__name__)


class Worker:
    """Takes jobs in any thread, and paints them in its own.

    `broken` is called in that thread, or the finisher's, when nothing can be painted any more:
    then no job ends.
    """

    def __init__(self, painter: Painter, broken: Broken) -> None:
        self._painter = painter
        self._broken = painter.finisher.broken = broken
        self._waiting: deque[Ticket] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="painter", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Jobs for which there is no room yet."""
        return len(self._waiting)

    def pulse(self) -> Heartbeat:
        """What was done so far, and what is at hand; never waits for the painter."""
        by = self._painter
        given, used = by.meter.rows
        return Heartbeat(
            ticks=by.meter.ticks,
            seconds=by.meter.seconds,
            rows_total=given,
            rows_used=used,
            painting=by.busy,
            waiting=self.waiting,
            memory=resident_memory(),
            peak_memory=by.model.device.peak_memory(),
        )

    def submit(self, job: Paint, report: Report) -> Ticket:
        """Take a job; it hears Queued, Stepped and one ending through `report`."""
        ticket = Ticket(job, report)
        with self._changed:
            self._waiting.append(ticket)
            self._say_places()
            self._changed.notify()
        self._painter.nudge()
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """End a job with Cancelled: at once if it waits, else before the next forward pass."""
        ticket.cancel()
        with self._changed:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                ticket.stop()
                self._say_places()
        self._painter.nudge()

    def close(self, patience: float = 10.0) -> None:
        """Cancel all jobs and wait (seconds) for the threads to end."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._painter.nudge()
        self._thread.join(patience)
        if self._thread.is_alive():  # in a forward pass that nothing can end
            log.warning("the painter is still at work %g s after it was told to stop", patience)
            return
        self._painter.close(patience)
        self._painter.finisher.close(patience)

    def _say_places(self) -> None:
        for ahead, ticket in enumerate(self._waiting):
            ticket.wait(ahead)

    def _work(self) -> None:
        try:
            while self._gather():
                self._painter.tick()
        except EngineError as error:
            self._broken(error)
        except Exception as error:
            log.exception("the painter made a mistake")
            lost = (
                DeviceLost(f"The accelerator is lost: {error}") if is_device_lost(error) else None
            )
            self._broken(lost or EngineError("The painter made a mistake; the log says more."))

    def _gather(self) -> bool:
        """Wait for something to paint, and take in who waits; False when there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._painter.tickets or self._closing)
            if self._closing:
                for ticket in [*self._waiting, *self._painter.tickets]:
                    ticket.stop()
                return False
            admitted, room = [], self._painter.room
            while self._waiting and room > 0:
                ticket = self._waiting.popleft()
                admitted.append(ticket)
                room -= len(ticket.job.recipes)
            if admitted:
                self._say_places()
        for ticket in admitted:
            self._painter.admit(ticket)
        return True
