"""A request: one job in the engine core, with its images, its status and its events."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from engine.contract import (
    Cancelled,
    Event,
    Failed,
    Paint,
    Painted,
    PaintedImage,
    Queued,
    Recipe,
    Stepped,
)
from engine.core.batching import BatchKey, batch_key
from engine.pipeline.denoise import DenoisingState, InitImage

EventSink = Callable[[Event], None]


class RequestStatus(Enum):
    """The status of a request."""

    WAITING = "waiting"
    """It waits for free slots or for its preparation."""
    PREPARING = "preparing"
    """Its init image is being checked, its prompts encoded, its initial latents computed."""
    RUNNING = "running"
    """Its images take part in batches."""
    POSTPROCESSING = "postprocessing"
    """All evaluations are done; its images are being decoded, checked and encoded."""
    CANCELLING = "cancelling"
    """The client cancelled it; the engine core ends it before the next forward pass."""
    COMPLETED = "completed"
    """It ended with Painted."""
    FAILED = "failed"
    """It ended with Failed."""
    CANCELLED = "cancelled"
    """It ended with Cancelled."""


_ENDED = frozenset({RequestStatus.COMPLETED, RequestStatus.FAILED, RequestStatus.CANCELLED})


class ImageInput(NamedTuple):
    """The recipe of one image, and the init image of its job."""

    recipe: Recipe
    init_image: InitImage


class Request:
    """One job. `emit` receives its progress and one ending, in threads of the engine."""

    def __init__(self, job: Paint, emit: EventSink) -> None:
        self.job = job
        self.inputs: list[ImageInput] = []
        """One per image; after a lack of memory, with smaller row classes."""
        self.states: list[DenoisingState] = []
        """The initial states of its images, from the end of the preparation to `start`."""
        self.images: list[RunningImage] = []
        """Empty before `start`."""
        self.added_at = 0.0
        """When the engine core accepted it, in seconds of its clock."""
        self.exclusive_id = 0
        """Not 0 if it must not share batches, because a shared batch failed."""
        self.retried_smaller = False
        """Whether it was restarted after a lack of memory."""
        self.step = 0
        """Evaluations that all of its images have completed."""
        self.preview_step = 0
        """The `step` at which its last preview was requested."""
        self.forward_seconds = 0.0
        """Seconds of forward passes charged to it so far."""
        self.postprocess_seconds = 0.0
        self.preview: bytes | None = None
        """A JPEG for the next Stepped event."""
        self._emit = emit
        self._status = RequestStatus.WAITING
        self._status_lock = threading.Lock()
        self._emit_lock = threading.Lock()
        """Held while an event is emitted, so that no event follows the ending."""

    @property
    def status(self) -> RequestStatus:
        """The engine's threads and `request_cancel` change it."""
        return self._status

    @property
    def is_stopped(self) -> bool:
        """Whether it has ended or was cancelled, so that its remaining work is skipped."""
        return self._status is RequestStatus.CANCELLING or self._status in _ENDED

    def set_status(self, status: RequestStatus) -> None:
        """Change the status; without effect if the request is stopped."""
        with self._status_lock:
            if not self.is_stopped:
                self._status = status

    def request_cancel(self) -> None:
        """Mark it to be stopped before the next forward pass. Any thread may call this."""
        self.set_status(RequestStatus.CANCELLING)

    def report_position(self, jobs_ahead: int) -> None:
        """Emit its position in the queue."""
        job = self.job
        self._report(Queued(job=job.job, attempt=job.attempt, jobs_ahead=jobs_ahead))

    def start(self, images: "list[RunningImage]") -> None:
        """Start or restart at step 0 with these images."""
        self.images, self.step, self.preview_step = images, 0, 0

    def advance(self) -> bool:
        """Emit its progress if it has advanced; returns whether it has."""
        steps = max(image.state.evaluations for image in self.images)
        remaining = max(image.state.evaluations - image.state.step_index for image in self.images)
        if steps - remaining == self.step:
            return False
        self.step = steps - remaining
        preview, self.preview = self.preview, None
        self._report(
            Stepped(
                job=self.job.job,
                attempt=self.job.attempt,
                step=self.step,
                steps=steps,
                preview=preview,
            )
        )
        return True

    def has_any(self, images: "Sequence[RunningImage]") -> bool:
        """Whether any of these images is in `images`; those from before a restart are not."""
        return any(image in self.images for image in images)

    @property
    def is_denoised(self) -> bool:
        """Whether all evaluations of all its images are done."""
        return all(image.state.is_finished for image in self.images)

    def complete(self, images: tuple[PaintedImage, ...], seconds: float) -> None:
        """End it as completed. `seconds` is the time since it was added."""
        self._end(
            RequestStatus.COMPLETED,
            Painted(
                job=self.job.job,
                attempt=self.job.attempt,
                pictures=images,
                seconds=seconds,
                engine_seconds=self._engine_seconds,
            ),
        )

    def fail(self, reason: str, *, init_image_flagged: bool = False) -> None:
        """End it as failed; `reason` is a sentence for the user."""
        self._end(
            RequestStatus.FAILED,
            Failed(
                job=self.job.job,
                attempt=self.job.attempt,
                reason=reason,
                init_image_flagged=init_image_flagged,
                engine_seconds=self._engine_seconds,
            ),
        )

    def finish_cancelled(self) -> None:
        """End it as cancelled; without effect if it has ended."""
        job, seconds = self.job, self._engine_seconds
        ending = Cancelled(job=job.job, attempt=job.attempt, engine_seconds=seconds)
        self._end(RequestStatus.CANCELLED, ending)

    @property
    def _engine_seconds(self) -> float:
        return self.forward_seconds + self.postprocess_seconds

    def _report(self, event: Queued | Stepped) -> None:
        with self._emit_lock:
            if self._status not in _ENDED:
                self._emit(event)

    def _end(self, status: RequestStatus, ending: Painted | Failed | Cancelled) -> None:
        with self._emit_lock:
            with self._status_lock:
                if self._status in _ENDED:
                    return
                self._status = status
            self._emit(ending)


@dataclass(eq=False)
class RunningImage:
    """An image of a running request, with the properties that batching needs."""

    state: DenoisingState
    request: Request
    sequence: int
    """Its number in order of arrival."""
    last_tick: int = 0
    """The tick of its last evaluation; 0 if it had none."""

    @property
    def batch_key(self) -> BatchKey:
        """Images with equal keys may share a batch."""
        unbatchable = self.state.is_unbatchable
        exclusive_id = self.sequence if unbatchable else self.request.exclusive_id
        return batch_key(self.state.recipe, exclusive_id)

    @property
    def owner(self) -> str:
        """The user of its job."""
        return self.request.job.owner

    @property
    def rows(self) -> int:
        """Rows that it takes in each batch."""
        return self.state.recipe.rows
