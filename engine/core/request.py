"""A request: one job in the engine core, with its images, its status and its events."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from engine.contract import (
    ArtifactDone,
    ArtifactFailure,
    ArtifactRole,
    Cancelled,
    Completed,
    Detail,
    Ending,
    Event,
    Failed,
    ImageDone,
    JobEvent,
    Paint,
    PaintedImage,
    Queued,
    Recipe,
    Stepped,
    Upscale,
    Work,
    row_work,
)
from engine.core.batching import BatchKey, batch_key
from engine.core.capture import Artifact, ImageCapture
from engine.core.job_files import NO_FILES
from engine.models.base import DiffusionModel
from engine.pipeline.denoise import DenoisingState
from engine.pipeline.sources import InputImages

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
    """All evaluations are done; its last images are being decoded, checked and encoded."""
    CANCELLING = "cancelling"
    """The client cancelled it; the engine core ends it before the next forward pass."""
    COMPLETED = "completed"
    """It ended with Completed."""
    FAILED = "failed"
    """It ended with Failed."""
    CANCELLED = "cancelled"
    """It ended with Cancelled."""


_ENDED = frozenset({RequestStatus.COMPLETED, RequestStatus.FAILED, RequestStatus.CANCELLED})


@dataclass(frozen=True)
class ImageInput:
    """The recipe of one image, and its input images."""

    index: int
    """Of its recipe in the job."""
    recipe: Recipe
    inputs: InputImages


@dataclass(frozen=True)
class WaitingImage:
    """A prepared image that waits for a free slot."""

    index: int
    """Of its recipe in the job."""
    state: DenoisingState


def _images_of(work: Work) -> int:
    match work:
        case Upscale():
            return 0
        case Detail():
            return len(work.tiles)
    return 1


class Request:
    """One job. `emit` receives its events up to its ending, in threads of the engine."""

    def __init__(self, job: Paint, emit: EventSink, files: Mapping[str, bytes] = NO_FILES) -> None:
        """`files` has the job's input images by their digests."""
        self.job = job
        self.files = files
        self.inputs: list[ImageInput] = []
        """One per image to prepare; after a lack of memory, with smaller row classes."""
        self.preparing_models: frozenset[DiffusionModel] = frozenset()
        """The models whose images are being prepared."""
        self.waiting: deque[WaitingImage] = deque()
        """Prepared images that wait for a free slot."""
        self.images: list[RunningImage] = []
        """The images that have started, in the order of their start."""
        self.added_at = 0.0
        """When the engine core accepted it, in seconds of its clock."""
        self.exclusive_id = 0
        """Not 0 if it must not share batches, because a shared batch failed."""
        self.retried_smaller = False
        """Whether it was restarted after a lack of memory."""
        self.retried_with_room = False
        """Whether it was restarted after other models had made room for it."""
        self.is_adaptable = job.adaptive and all(isinstance(work, Recipe) for work in job.recipes)
        """Whether its row classes are chosen when it is prepared."""
        self.step = 0
        """The `step` of its last Stepped event."""
        self.preview_step = 0
        """The `step` at which its last preview was requested."""
        self.forward_seconds = 0.0
        """Seconds of forward passes charged to it so far."""
        self.postprocess_seconds = 0.0
        self.preview: bytes | None = None
        """A JPEG for the next Stepped event."""
        self.image_count = sum(_images_of(work) for work in job.recipes)
        """Images that take part in batches: pictures, and the tiles of others."""
        self._emit = emit
        self._failures: dict[int, str] = {}
        """Why images failed, by index."""
        self._artifact_failures: list[ArtifactFailure] = []
        self._done = 0
        """Images that were sent, including failed ones."""
        self._finished = 0
        """Images that were sent with their artifacts."""
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

    @property
    def states(self) -> "list[DenoisingState]":
        """The states of its prepared images."""
        started = [image.state for image in self.images]
        return started + [image.state for image in self.waiting]

    @property
    def input_models(self) -> "frozenset[DiffusionModel]":
        """The models of its images that are to be prepared."""
        return frozenset(image.inputs.model for image in self.inputs)

    @property
    def running_models(self) -> "frozenset[DiffusionModel]":
        """The models of its prepared images that are not denoised."""
        return frozenset(state.model for state in self.states if not state.is_finished)

    @property
    def image_models(self) -> "frozenset[DiffusionModel]":
        """The models of its prepared images."""
        return frozenset(state.model for state in self.states)

    def restart(self, inputs: "Iterable[ImageInput]") -> None:
        """Prepare these images again, with the row classes that they have; those of other recipes,
        which are denoised, stay."""
        self.inputs = list(inputs)
        self.is_adaptable = False
        self.waiting.clear()
        repeated = {image.index for image in self.inputs}
        self.images = [image for image in self.images if image.index not in repeated]
        self.step = self.preview_step = 0

    def advance(self) -> None:
        """Emit its progress if it has advanced.

        The step is the average of its images, in steps of the longest one.
        """
        states = self.states
        steps = max(state.evaluations for state in states)
        total = sum(state.evaluations for state in states)
        step = steps * sum(state.step_index for state in states) // total
        if step == self.step:
            return
        self.step = step
        preview, self.preview = self.preview, None
        self._report(
            Stepped(
                job=self.job.job,
                attempt=self.job.attempt,
                step=step,
                steps=steps,
                done=self._done,
                preview=preview,
            )
        )

    def has_any(self, images: "Sequence[RunningImage]") -> bool:
        """Whether any of these images is in `images`; those from before a restart are not."""
        return any(image in self.images for image in images)

    @property
    def is_denoised(self) -> bool:
        """Whether all evaluations of all its images are done."""
        is_started = len(self.images) == self.image_count
        return is_started and all(image.state.is_finished for image in self.images)

    def send_image(self, index: int, image: PaintedImage) -> None:
        """Send an image. Without effect if the request is stopped."""
        job = self.job
        with self._emit_lock:
            if self.is_stopped:
                return
            self._done += 1
            if image.failed is not None:
                self._failures[index] = image.failed
            self._emit(ImageDone(job=job.job, attempt=job.attempt, index=index, image=image))

    def send_artifact(self, index: int, artifact: Artifact) -> None:
        """Send a file that belongs to an image. Without effect if the request is stopped."""
        job, fields = self.job, artifact._asdict()
        with self._emit_lock:
            if not self.is_stopped:
                self._emit(ArtifactDone(job=job.job, attempt=job.attempt, index=index, **fields))

    def fail_artifact(self, index: int, role: ArtifactRole, reason: str) -> None:
        """Remember that such a file cannot be made; its ending says so. `reason` is a sentence."""
        self._artifact_failures.append(ArtifactFailure(index=index, role=role, reason=reason))

    def finish_image(self, seconds: float) -> None:
        """Count an image of which everything was sent; after the last one, end as completed, or as
        failed if all have failed.

        Without effect if it is stopped. `seconds` is the time since the request was added.
        """
        if self.is_stopped:
            return
        self._finished += 1
        if self._finished == len(self.job.recipes):
            self._complete(seconds)

    def _complete(self, seconds: float) -> None:
        if len(self._failures) == len(self.job.recipes):
            self.fail(self._failures[0])
            return
        self._end(
            RequestStatus.COMPLETED,
            Completed(
                job=self.job.job,
                attempt=self.job.attempt,
                seconds=seconds,
                engine_seconds=self._engine_seconds,
                artifact_failures=tuple(self._artifact_failures),
            ),
        )

    def finish_texts(self, texts: Sequence[str], seconds: float) -> None:
        """End a job whose result is texts. `seconds` is the time that writing them took."""
        self._end(
            RequestStatus.COMPLETED,
            Completed(
                job=self.job.job,
                attempt=self.job.attempt,
                seconds=seconds,
                engine_seconds=self._engine_seconds,
                texts=tuple(texts),
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

    def _report(self, event: JobEvent) -> None:
        with self._emit_lock:
            if self._status not in _ENDED:
                self._emit(event)

    def _end(self, status: RequestStatus, ending: Ending) -> None:
        with self._emit_lock:
            with self._status_lock:
                if self._status in _ENDED:
                    return
                self._status = status
            self._emit(ending)


@dataclass(eq=False)
class RunningImage:
    """An image of a running request, with the properties that batching needs."""

    index: int
    """Of its recipe in the job."""
    state: DenoisingState
    request: Request
    sequence: int
    """Its number in order of arrival."""
    capture: ImageCapture | None = None
    """Of its steps, if the job requests a film or a strip."""
    is_denoised: bool = False
    """Whether it was handed to the postprocessor."""
    last_tick: int = 0
    """The tick of its last evaluation; 0 if it had none."""

    @property
    def batch_key(self) -> BatchKey:
        """Images with equal keys may share a batch."""
        exclusive_id = self.request.exclusive_id
        return (
            self._batch_key._replace(exclusive_id=exclusive_id) if exclusive_id else self._batch_key
        )

    @cached_property
    def _batch_key(self) -> BatchKey:
        """Without the exclusive id of its request."""
        exclusive_id = self.sequence if self.state.is_unbatchable else 0
        return batch_key(self.state.recipe, self.state.text_chunks, exclusive_id)

    @property
    def owner(self) -> str:
        """The user of its job."""
        return self.request.job.owner

    @cached_property
    def rows(self) -> int:
        """Rows that it takes in each batch."""
        return self.state.recipe.rows

    @cached_property
    def work(self) -> float:
        """Of its rows, as `row_work`."""
        return self.rows * row_work(self.state.recipe)
