"""The engine core: a loop in which images of different requests share forward passes."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import torch

from engine.contract import Upscale
from engine.core.batch_cost import BatchCostModel
from engine.core.enlarger import Enlarger, canvases_of, with_empty_canvases
from engine.core.executor import BatchExecutor
from engine.core.failures import Failure, catch_failure
from engine.core.flexible_batches import FlexibleBatches
from engine.core.model_pool import ModelPool, oldest_work
from engine.core.postprocess import Postprocessor
from engine.core.preparation import check_job, image_inputs, prepare
from engine.core.request import ImageInput, Request, RequestStatus, RunningImage, WaitingImage
from engine.core.row_class_chooser import Load, RowClassChooser, load_beside
from engine.core.scheduler import BatchScheduler, seconds_by_owner
from engine.core.text_writer import TextWriter
from engine.core.usage import Batch, UsageMeter
from engine.models.base import DiffusionModel
from engine.pipeline.denoise import ModelCall, call

PREVIEW_EVERY: Final = 4
"""Minimum number of evaluations between two previews of a request."""
MAX_RUNNING: Final = 64
"""Maximum number of images in progress; more would only make each of them slower."""
_REQUEST_SHARE: Final = 2
"""A request has at most one of so many parts of the slots, so that large ones let others begin."""


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
        enlarger: Enlarger | None = None,
        row_class_costs: BatchCostModel | None = None,
        flexible: FlexibleBatches | None = None,
        text_writer: TextWriter | None = None,
    ) -> None:
        """`row_class_costs` and `flexible` have earlier measurements of the batches of these
        models."""
        self.models = tuple(models)
        self.postprocessor = postprocessor
        self._max_running = max_running
        self._clock = clock
        self.enlarger = enlarger or Enlarger()
        self.text_writer = text_writer or TextWriter()
        self._preparing: list[Request] = []
        """In order of arrival; the preparation of the first one may be in flight."""
        self._running: list[Request] = []
        """Those whose images are not all denoised, the one first whose images start next."""
        workers = min(model.device.max_concurrent_batches for model in self.models)
        self._executor: BatchExecutor[Request | Batch, Failure | None] = BatchExecutor(workers)
        self.meter = UsageMeter(self.model.device, call_model, clock)
        self._flexible = flexible or FlexibleBatches(workers)
        self._row_classes = RowClassChooser(
            row_class_costs or BatchCostModel(), workers, self._flexible.may_have
        )
        self._scheduler = BatchScheduler(self.meter.cost, self._flexible)
        self.pool = postprocessor.uses = ModelPool(self.models, clock)

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
        preparing = sum(
            self.slots_for(len(request.inputs) + len(request.waiting))
            for request in self._preparing
        )
        return len(self._scheduler.images) + preparing

    @property
    def requests(self) -> list[Request]:
        """The requests that are running, in preparation or ready for it."""
        return [*self._running, *self._preparing, *self.enlarger.ready]

    def slots_for(self, images: int) -> int:
        """How many slots a request of so many images takes at most."""
        return min(images, max(1, self._max_running // _REQUEST_SHARE))

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
        while self.enlarger.ready:
            self._preparing.append(self.enlarger.ready.popleft())
        for request in self.requests:
            if request.is_stopped:
                self._remove(request)
                self.meter.charge_in_flight(request)
                request.finish_cancelled()
        self._start_waiting()
        work = oldest_work(self._running, self._preparing) if self.pool.has_limit else {}
        models = self.pool.ready(work)
        self._start_preparation(models)
        batches = self._select_batches(models)
        for batch in batches:
            batch.is_alone = len(batches) == 1 and not self._executor.in_flight
            self.pool.acquire(batch.model)
            self._submit(batch, _requests_of(batch), self.meter.start(batch))
        if self.requests and not self._executor.in_flight:
            self.pool.wait_released()
        for task, failure in self._executor.wait():
            if isinstance(task, Batch):
                self.pool.release(task.model)
                self._complete_batch(task, failure)
            else:
                self.pool.release_all(task.preparing_models)
                self._finish_preparation(task, failure)
        self._maybe_preview(models)

    def wake(self) -> None:
        """Let `tick` return without waiting for a forward pass. Any thread may call it."""
        self._executor.wake()

    def close(self, timeout: float | None = None) -> None:
        """Wait for the forward passes in flight, then for an upscale and a text, each up to
        `timeout` seconds (None: without limit)."""
        self._flexible.close()
        self._executor.close(timeout)
        self.enlarger.thread.close(timeout)
        self.text_writer.thread.close(timeout)

    def _accept(self, request: Request) -> None:
        job = request.job
        check_job(job, self.models, request.files)
        self.enlarger.check(job)
        self.text_writer.check(job)
        request.added_at = self._clock()
        request.inputs = image_inputs(job.recipes, self.models)
        for index, work in enumerate(job.recipes):
            if isinstance(work, Upscale):
                model = self._resident_model(work.model, work.revision)
                self.enlarger.upscale(request, index, model, self.postprocessor)
        if job.text is not None:
            self.text_writer.write(request, job.text, self._resident_models(), self.pool)
        canvases = canvases_of(request.inputs)
        if canvases:
            self.enlarger.prepare(request, canvases)
        elif request.inputs:
            self._preparing.append(request)
        else:
            request.set_status(RequestStatus.POSTPROCESSING)

    def _resident_models(self) -> list[DiffusionModel]:
        return [model for model in self.models if model.is_resident]

    def _resident_model(self, *name: str) -> DiffusionModel:
        """A model on the device that can check a picture, if possible that of this name and
        revision."""
        resident = self._resident_models()
        own = (model for model in resident if (model.card.name, model.card.revision) == name)
        return next(own, resident[0])

    def _submit(
        self, task: Request | Batch, requests: Sequence[Request], work: Callable[[], None]
    ) -> None:
        self._executor.submit(task, partial(catch_failure, requests, work))

    def _start_preparation(self, models: Collection[DiffusionModel]) -> None:
        """Start preparing the next request with images of these models, one at a time. It runs in
        the executor because a new size or row class takes long."""
        in_flight = self._executor.in_flight
        if not self._executor.idle or any(request in in_flight for request in self._preparing):
            return
        for request in self._preparing:
            if chosen := request.input_models & set(models):
                request.set_status(RequestStatus.PREPARING)
                request.preparing_models = chosen
                self.pool.acquire_all(chosen)
                load = None
                if request.is_adaptable:
                    load = load_beside(request, [*self._running, *self._preparing])
                work = partial(self._prepare, request, chosen, load)
                self._submit(request, [request], work)
                return

    def _prepare(
        self, request: Request, models: Collection[DiffusionModel], load: Load | None
    ) -> None:
        """Prepare the request's images of these models, with row classes for the load if there is
        one."""
        if load is not None:
            chosen = [image for image in request.inputs if image.inputs.model in models]
            rest = [image for image in request.inputs if image.inputs.model not in models]
            request.inputs = [*self._row_classes.with_row_classes(chosen, load), *rest]
        prepare(request, models, self.pool.make_room)

    def _finish_preparation(self, request: Request, failure: Failure | None) -> None:
        if failure is None and request.inputs and not request.is_stopped:
            return  # the other models are not on the device yet
        self._preparing.remove(request)
        if request.is_stopped:
            request.finish_cancelled()
        elif failure is None:
            self._running.append(request)
            request.set_status(RequestStatus.RUNNING)
            self._start_waiting()
        elif failure.out_of_memory:
            self._empty_caches()
            inputs = [*_repeated_inputs(request), *request.inputs]
            self._retry(request, inputs, failure, *request.preparing_models)
        else:
            self._fail(request, failure)

    def _start_waiting(self) -> None:
        """Start prepared images while there are free slots, one of each request in turn."""
        while startable := [request for request in self._running if self._can_start(request)]:
            for request in startable[: self.free_slots]:
                image = self._scheduler.add(request, request.waiting.popleft())
                self.postprocessor.start_capture(image)
                self._running.remove(request)
                self._running.append(request)

    def _can_start(self, request: Request) -> bool:
        if not request.waiting or self.free_slots <= 0:
            return False
        started = sum(image.request is request for image in self._scheduler.images)
        return started < self.slots_for(request.image_count)

    def _select_batches(self, models: Collection[DiffusionModel]) -> list[Batch]:
        """A batch for each idle worker, as far as there are images of these models that are not in
        flight."""
        in_flight = [task for task in self._executor.in_flight if isinstance(task, Batch)]
        owner_seconds = seconds_by_owner(self.requests)
        return self._scheduler.select(self._executor.idle, in_flight, owner_seconds, models)

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
            will_be_smaller = self._flexible.give_up(batch.key, batch.images)
            for request in active:
                if will_be_smaller:
                    self._restart(request, _repeated_inputs(request))
                else:
                    self._retry(request, _repeated_inputs(request), failure, batch.model)
        elif len(requests) > 1:  # separate them, so that only the faulty request fails again
            for request in active:
                request.exclusive_id = request.images[0].sequence
        else:
            for request in active:
                self._fail(request, failure)

    def _advance(self, requests: Sequence[Request]) -> None:
        for request in requests:
            request.advance()
            self.postprocessor.capture(request.images)
            denoised = [
                image
                for image in request.images
                if image.state.is_finished and not image.is_denoised
            ]
            self._scheduler.remove(denoised)
            if request.is_denoised:
                self._remove(request)
                request.set_status(RequestStatus.POSTPROCESSING)
            for image in denoised:
                image.is_denoised = True
                self.postprocessor.postprocess(image)

    def _maybe_preview(self, models: Collection[DiffusionModel]) -> None:
        """Start a preview, if there is time for one, of the request with the oldest preview."""
        if not self.postprocessor.can_preview:
            return
        due = [
            request
            for request in self._running
            if request.job.capture.previews
            and request.step - request.preview_step >= PREVIEW_EVERY
            and request.image_models <= set(models)
        ]
        if due:
            request = max(due, key=lambda request: request.step - request.preview_step)
            request.preview_step = request.step
            self.postprocessor.render_preview(request)

    def _remove(self, request: Request) -> None:
        """Remove a request from preparation, and its images from further batches."""
        in_flight = self._executor.in_flight
        self._scheduler.remove(request.images)
        if request in self._running:
            self._running.remove(request)
        if request in self._preparing and request not in in_flight:
            self._preparing.remove(request)

    def _retry(
        self,
        request: Request,
        inputs: Sequence[ImageInput],
        failure: Failure,
        *models: DiffusionModel,
    ) -> None:
        """Restart a request for which there was too little memory: after other models than these
        have made room for it, which is tried once, or with smaller row classes."""
        if not request.retried_with_room and any(map(self.pool.make_room, models)):
            request.retried_with_room = True
            self._restart(request, inputs)
        else:
            self._retry_smaller(request, inputs, failure)

    def _retry_smaller(
        self, request: Request, inputs: Sequence[ImageInput], failure: Failure
    ) -> None:
        """Restart a request with smaller row classes. If it has the smallest already, it is retried
        once, because other requests may have used the memory."""
        smaller = [_with_smaller_row_class(image) for image in inputs]
        if request.retried_smaller and smaller == list(inputs):
            self._fail(request, failure)
            return
        request.retried_smaller = True
        self._restart(request, smaller)

    def _restart(self, request: Request, inputs: Sequence[ImageInput]) -> None:
        self._remove(request)
        request.restart(inputs)
        request.set_status(RequestStatus.WAITING)
        self._preparing.append(request)

    def _empty_caches(self) -> None:
        for model in self.models:
            model.device.empty_cache()

    def _fail(self, request: Request, failure: Failure) -> None:
        self._remove(request)
        end = partial(request.fail, failure.reason, init_image_flagged=failure.init_image_flagged)
        if any(image.is_denoised for image in request.images):  # some may not be sent yet
            self.postprocessor.call_later(end)
        else:
            end()


def _repeated_inputs(request: Request) -> list[ImageInput]:
    """The inputs of the prepared images that are not denoised, with the row classes in use.

    A Detail is repeated with all its tiles, because they have one row class.
    """
    images: list[RunningImage | WaitingImage] = [*request.images, *request.waiting]
    inputs = [ImageInput(image.index, image.state.recipe, image.state.inputs) for image in images]
    unfinished = {image.index for image in images if not image.state.is_finished}
    return with_empty_canvases([image for image in inputs if image.index in unfinished])


def _with_smaller_row_class(image: ImageInput) -> ImageInput:
    card = image.inputs.model.card
    return replace(image, recipe=card.with_smaller_row_class(image.recipe) or image.recipe)


def _requests_of(batch: Batch) -> list[Request]:
    """The requests of a batch's images, each once."""
    return list(dict.fromkeys(image.request for image in batch.images))
