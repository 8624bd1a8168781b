"""The engine core: a loop in which images of different requests share forward passes."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import torch

from engine.contract import Paint
from engine.core.executor import BatchExecutor
from engine.core.failures import Failure, catch_failure
from engine.core.postprocess import Postprocessor
from engine.core.preparation import check_job, model_for, prepare
from engine.core.request import ImageInput, Request, RequestStatus
from engine.core.scheduler import BatchScheduler, seconds_by_owner
from engine.core.usage import Batch, UsageMeter
from engine.models.base import DiffusionModel
from engine.pipeline.denoise import InitImage, ModelCall, call

PREVIEW_EVERY: Final = 4
"""Minimum number of evaluations between two previews of a request."""
MAX_RUNNING: Final = 64
"""Maximum number of images in progress; more would only make each of them slower."""


class EngineCore:
    """Runs requests for the loaded models in the thread that calls `tick`.

    Images whose evaluations are done are handed to the postprocessor.
    """

    def __init__(
        self,
        models: Sequence[DiffusionModel],
        postprocessor: Postprocessor,
        max_running: int = MAX_RUNNING,
        call_model: ModelCall = call,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.models = tuple(models)
        self.postprocessor = postprocessor
        self._max_running = max_running
        self._clock = clock
        self._preparing: list[Request] = []
        """In order of arrival; the preparation of the first one may be in flight."""
        self._executor: BatchExecutor[Request | Batch, Failure | None] = BatchExecutor(
            min(model.device.max_concurrent_batches for model in self.models)
        )
        self.meter = UsageMeter(self.model.device, call_model, clock)
        self._scheduler = BatchScheduler(self.meter.cost)

    @property
    def model(self) -> DiffusionModel:
        """The default model."""
        return self.models[0]

    @property
    def free_slots(self) -> int:
        """How many more images can be added."""
        return self._max_running - self.running

    @property
    def running(self) -> int:
        """Number of images in progress, including those of requests in preparation."""
        return len(self._scheduler.images) + sum(len(request.inputs) for request in self._preparing)

    @property
    def requests(self) -> list[Request]:
        """The requests that are running or in preparation, each once."""
        running = [image.request for image in self._scheduler.images]
        return list(dict.fromkeys(running + self._preparing))

    def check(self, job: Paint) -> None:
        """Raise InvalidJob if the loaded models cannot paint this job."""
        check_job(job, self.models)

    def add_request(self, request: Request) -> None:
        """Accept a request, or end it at once if its job is invalid.

        Raises DeviceLost if the device is lost.
        """
        failure = catch_failure([request], lambda: self._accept(request))
        if failure is not None:
            self._fail(request, failure)

    @torch.inference_mode()
    def tick(self) -> None:
        """Remove cancelled requests, start preparations and forward passes, and wait for one.

        Raises DeviceLost if the device is lost.
        """
        for request in self.requests:
            if request.is_stopped:
                self._remove(request)
                self.meter.charge_in_flight(request)
                request.finish_cancelled()
        self._start_preparation()
        for batch in self._select_batches():
            self._submit(batch, _requests_of(batch), self.meter.start(batch))
        for task, failure in self._executor.wait():
            if isinstance(task, Batch):
                self._complete_batch(task, failure)
            else:
                self._finish_preparation(task, failure)
        self._maybe_preview()

    def wake(self) -> None:
        """Let `tick` return without waiting for a forward pass. Any thread may call it."""
        self._executor.wake()

    def close(self, timeout: float | None = None) -> None:
        """Wait for the forward passes in flight, up to `timeout` seconds (None: without limit)."""
        self._executor.close(timeout)

    def _accept(self, request: Request) -> None:
        job = request.job
        self.check(job)
        request.added_at = self._clock()
        init_images = {model: InitImage(model) for model in self.models}
        recipes = job.recipes
        if job.adaptive:
            card = model_for(recipes[0], self.models).card
            preparing = [recipe for waiting in self._preparing for recipe, _ in waiting.inputs]
            recipes = card.with_row_class_for_load(recipes, self._scheduler.recipes + preparing)
        request.inputs = [
            ImageInput(recipe, init_images[model_for(recipe, self.models)]) for recipe in recipes
        ]
        self._preparing.append(request)

    def _submit(
        self, task: Request | Batch, requests: Sequence[Request], work: Callable[[], None]
    ) -> None:
        self._executor.submit(task, partial(catch_failure, requests, work))

    def _start_preparation(self) -> None:
        """Start preparing the next request, one at a time. It runs in the executor because a new
        size or row class takes long."""
        if not self._preparing or not self._executor.idle:
            return
        request = self._preparing[0]
        if request not in self._executor.in_flight:
            request.set_status(RequestStatus.PREPARING)
            self._submit(request, [request], partial(prepare, request))

    def _finish_preparation(self, request: Request, failure: Failure | None) -> None:
        self._preparing.remove(request)
        if request.is_stopped:
            request.finish_cancelled()
        elif failure is None:
            self._start(request)
        elif failure.out_of_memory:
            self._empty_caches()
            self._retry_smaller(request, request.inputs, failure)
        else:
            self._fail(request, failure)

    def _start(self, request: Request) -> None:
        states, request.states = request.states, []
        request.start(self._scheduler.add(request, states))
        request.set_status(RequestStatus.RUNNING)

    def _select_batches(self) -> list[Batch]:
        """A batch for each idle worker, as far as there are images that are not in flight."""
        in_flight = [task for task in self._executor.in_flight if isinstance(task, Batch)]
        owner_seconds = seconds_by_owner(self.requests)
        return self._scheduler.select(self._executor.idle, in_flight, owner_seconds)

    def _complete_batch(self, batch: Batch, failure: Failure | None) -> None:
        requests = _requests_of(batch)
        active = [
            request
            for request in requests
            if request.has_any(batch.images) and not request.is_stopped
        ]
        self.meter.end(batch, failed=failure is not None)
        if failure is None:
            self._advance(active)
        elif failure.out_of_memory:
            self._empty_caches()
            for request in active:
                inputs = [
                    ImageInput(image.state.recipe, image.state.init_image)
                    for image in request.images
                ]
                self._retry_smaller(request, inputs, failure)
        elif len(requests) > 1:  # separate them, so that only the faulty request fails again
            for request in active:
                request.exclusive_id = request.images[0].sequence
        else:
            for request in active:
                self._fail(request, failure)

    def _advance(self, requests: Sequence[Request]) -> None:
        for request in requests:
            if request.advance() and request.is_denoised:
                self._remove(request)
                request.set_status(RequestStatus.POSTPROCESSING)
                self.postprocessor.postprocess(request)

    def _maybe_preview(self) -> None:
        """Start a preview, if there is time for one, of the request with the oldest preview."""
        if not self.postprocessor.can_preview:
            return
        due = [
            request
            for request in self.requests
            if request.job.previews and request.step - request.preview_step >= PREVIEW_EVERY
        ]
        if due:
            request = max(due, key=lambda request: request.step - request.preview_step)
            request.preview_step = request.step
            self.postprocessor.render_preview(request)

    def _remove(self, request: Request) -> None:
        """Remove a request from preparation, and its images from further batches."""
        in_flight = self._executor.in_flight
        self._scheduler.remove(request)
        if request in self._preparing and request not in in_flight:
            self._preparing.remove(request)

    def _retry_smaller(
        self, request: Request, inputs: Sequence[ImageInput], failure: Failure
    ) -> None:
        """Restart a request with smaller row classes. If it has the smallest already, it is retried
        once, because other requests may have used the memory."""
        smaller = [
            ImageInput(init_image.model.card.with_smaller_row_class(recipe) or recipe, init_image)
            for recipe, init_image in inputs
        ]
        if request.retried_smaller and smaller == list(inputs):
            self._fail(request, failure)
            return
        request.retried_smaller = True
        self._remove(request)
        request.start([])
        request.set_status(RequestStatus.WAITING)
        request.inputs = smaller
        self._preparing.append(request)

    def _empty_caches(self) -> None:
        for model in self.models:
            model.device.empty_cache()

    def _fail(self, request: Request, failure: Failure) -> None:
        self._remove(request)
        request.fail(failure.reason, init_image_flagged=failure.init_image_flagged)


def _requests_of(batch: Batch) -> list[Request]:
    """The requests of a batch's images, each once."""
    return list(dict.fromkeys(image.request for image in batch.images))
