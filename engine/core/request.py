"""Jobs on their way through the painter, and the pictures of each."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.contract import Cancelled, Event, Failed, Paint, Painted, PaintedImage, Queued, Stepped
from engine.core.batching import BatchKey, batch_key
from engine.pipeline.denoise import Canvas

Report = Callable[[Event], None]


class Ticket:
    """One job. `report`, called in the painter's threads, hears its progress and one ending."""

    def __init__(self, job: Paint, report: Report) -> None:
        self.job = job
        self.places: list[Place] = []
        self.began = 0.0
        """When it was admitted: seconds of the monotonic clock."""
        self.apart = 0
        """Not 0: it shares no batch any more, because one that it was in failed."""
        self.shrunk = False
        """Was it begun anew because memory was short?"""
        self.step = 0
        """Evaluations that all of its pictures have done."""
        self.looked = 0
        """The step of its last preview."""
        self.worked = 0.0
        """Its share of the seconds in forward passes so far."""
        self.finishing = 0.0
        """Seconds that went into its pictures after those, so far."""
        self.preview: bytes | None = None
        """The newest one, until it is told."""
        self._report = report
        self._cancelled = False
        self._ended = False
        self._telling = threading.Lock()

    @property
    def stopped(self) -> bool:
        """Is nothing more to be done for it?"""
        return self._cancelled or self._ended

    def cancel(self) -> None:
        """It is to stop before the next forward pass."""
        self._cancelled = True

    def wait(self, ahead: int) -> None:
        """Tell that it waits behind so many jobs."""
        self._tell(Queued(job=self.job.job, attempt=self.job.attempt, jobs_ahead=ahead))

    def begin(self, places: "list[Place]") -> None:
        """Its pictures start here, or start again; none as long as they are made ready."""
        self.places, self.step, self.looked = places, 0, 0

    def advance(self) -> bool:
        """Tell how far it has come; False if that is no further than before."""
        steps = max(place.canvas.evaluations for place in self.places)
        left = max(place.canvas.evaluations - place.canvas.done for place in self.places)
        if steps - left == self.step:
            return False
        self.step = steps - left
        preview, self.preview = self.preview, None
        self._tell(
            Stepped(
                job=self.job.job,
                attempt=self.job.attempt,
                step=self.step,
                steps=steps,
                preview=preview,
            )
        )
        return True

    def has(self, places: "Sequence[Place]") -> bool:
        """Is any of these places among its own, as they are now?"""
        return any(place in self.places for place in places)

    @property
    def finished(self) -> bool:
        """Is there nothing left to evaluate?"""
        return all(place.canvas.finished for place in self.places)

    def paint(self, pictures: tuple[PaintedImage, ...], seconds: float) -> None:
        """It ends with these pictures."""
        self._end(
            Painted(
                job=self.job.job,
                attempt=self.job.attempt,
                pictures=pictures,
                seconds=seconds,
                engine_seconds=self._seconds,
            )
        )

    def fail(self, reason: str, *, sketch_flagged: bool = False) -> None:
        """It ends with this reason, in words for the person."""
        self._end(
            Failed(
                job=self.job.job,
                attempt=self.job.attempt,
                reason=reason,
                init_image_flagged=sketch_flagged,
                engine_seconds=self._seconds,
            )
        )

    def stop(self) -> None:
        """It ends, because somebody asked for that."""
        self._cancelled = True
        self._end(
            Cancelled(job=self.job.job, attempt=self.job.attempt, engine_seconds=self._seconds)
        )

    @property
    def _seconds(self) -> float:
        return self.worked + self.finishing

    def _tell(self, event: Queued | Stepped) -> None:
        with self._telling:
            if not self._ended:
                self._report(event)

    def _end(self, ending: Painted | Failed | Cancelled) -> None:
        with self._telling:
            if not self._ended:
                self._ended = True
                self._report(ending)


@dataclass(eq=False)
class Place:
    """A picture in progress, as the batches see it."""

    canvas: Canvas
    ticket: Ticket
    sequence: int
    """Pictures that came earlier have lower ones."""
    last_tick: int = 0
    """The tick that it was in last."""

    @property
    def batch_key(self) -> BatchKey:
        """What it may share a batch with."""
        return batch_key(
            self.canvas.recipe, self.sequence if self.canvas.alone else self.ticket.apart
        )

    @property
    def owner(self) -> str:
        """Whose it is."""
        return self.ticket.job.owner

    @property
    def rows(self) -> int:
        """In each batch."""
        return self.canvas.recipe.rows
