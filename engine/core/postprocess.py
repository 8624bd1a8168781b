"""Decode latents, check the images and encode them, in a thread beside the engine core's."""

import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

import torch
from PIL import Image

from engine.contract import PaintedImage, pixels_sha256
from engine.contract.images import grid
from engine.contract.images.encode import encode_jpeg, encode_png
from engine.contract.metadata import with_metadata
from engine.core.background import BackgroundQueue
from engine.core.capture import Frame, ImageCapture
from engine.core.failures import Failure, catch_failure
from engine.core.model_pool import ModelPool
from engine.core.request import Request, RunningImage, WaitingImage
from engine.device.errors import is_out_of_memory
from engine.errors import DeviceLost, EngineError, InvalidJob
from engine.log import log_context
from engine.models.base import DiffusionModel
from engine.pipeline.denoise import DenoisingState
from engine.pipeline.preview import MAX_SIDE, previewer_for
from engine.safety import flagged, log_fields

log = logging.getLogger(__name__)

PREVIEW_TIME_SHARE: Final = 0.02
"""Maximum share of the time that is spent on previews."""
_MAX_PREVIEW_SIDE: Final = 2 * MAX_SIDE
"""Longest side, in pixels, of the grid of a request's previews."""
_UNBATCHED: Final = ", alone in its batches"
T = TypeVar("T")
FatalErrorHandler = Callable[[EngineError], None]
PreviewInput = tuple[DenoisingState, torch.Tensor]
"""A state, and the value of its `pred_original_sample` when the preview was requested."""


def _log_fatal(error: EngineError) -> None:
    log.critical("%s", error)


class Postprocessor:
    """Decodes, checks and encodes images in a thread of its own, in the order of the calls."""

    def __init__(
        self,
        preview_time_share: float = PREVIEW_TIME_SHARE,
        clock: Callable[[], float] = time.monotonic,
        on_device_lost: FatalErrorHandler = _log_fatal,
        executor: Executor | None = None,
    ) -> None:
        """`on_device_lost` is called in that thread; the affected requests get no ending.

        `executor` replaces the thread.
        """
        self._on_device_lost = on_device_lost
        self._preview_time_share = preview_time_share
        self._clock = clock
        self._thread = executor or ThreadPoolExecutor(1, "postprocessor")
        self._captures: BackgroundQueue[Callable[[], Future[None]]] = BackgroundQueue(
            lambda submit: submit()
        )
        self.uses = ModelPool([])
        """Where the models are kept on the device that its work needs; the engine core sets it."""
        self._is_previewing = False
        self._next_preview_at = 0.0
        self._pending: set[RunningImage] = set()

    @property
    def can_preview(self) -> bool:
        """Whether no preview is being rendered and their share of the time is not used up."""
        return not self._is_previewing and self._clock() >= self._next_preview_at

    def postprocess(self, image: RunningImage) -> None:
        """Make an image whose evaluations are done, and send it.

        After its last image, the request ends: completed, failed or cancelled.
        """
        self._pending.add(image)
        self._submit(image, partial(self._postprocess, image), partial(self._fail, image))

    def start_capture(self, image: RunningImage) -> None:
        """Prepare the capture of an image's steps, if its job requests one."""
        job = image.request.job
        if job.capture.film or job.capture.strip:
            image.capture = ImageCapture(
                image.state, job.capture, _decode_frames, include_flagged=job.include_flagged
            )
            self.capture([image])

    def capture(self, images: Iterable[RunningImage]) -> None:
        """Remember the steps that images have just completed, for those that are captured.

        They are decoded one by one, and after everything else that waits, so that the pictures of
        other jobs need not wait for a whole film.
        """
        for image in images:
            if image.capture is not None and image.capture.remember():
                self._capture_later(image, partial(self._decode_frame, image, image.capture))

    def call_later(self, function: Callable[[], None]) -> None:
        """Call a function after all work that was submitted so far."""
        self._thread.submit(function)

    def render_preview(self, request: Request) -> None:
        """Render a preview for the request's next Stepped event; a failure is only logged."""
        self._is_previewing = True
        images: list[RunningImage | WaitingImage] = [*request.images, *request.waiting]
        images.sort(key=lambda image: image.index)
        inputs = [(image.state, image.state.pred_original_sample) for image in images]
        work = partial(self._preview, request, inputs)
        models = request.image_models
        self.uses.acquire_all(models)
        future = self._submit(request.images[0], work, lambda _: None)
        future.add_done_callback(partial(self._end_preview, models))

    def flush(self) -> None:
        """Wait until all work that was submitted so far is done."""
        self._thread.submit(lambda: None).result()

    def close(self, timeout: float | None = None) -> None:
        """Cancel the requests of pending images, and wait up to `timeout` seconds for the thread
        (None: without limit)."""
        self._captures.clear()
        for image in list(self._pending):
            image.request.request_cancel()
        wait([self._thread.submit(lambda: None)], timeout)
        self._thread.shutdown(wait=False)

    def _submit(
        self, image: RunningImage, work: Callable[[], None], on_failure: Callable[[str], None]
    ) -> Future[None]:
        request, device = image.request, image.state.model.device
        event = device.record_event()

        @torch.inference_mode()
        def run_on_side_stream() -> None:
            with device.side_stream(event):
                work()

        def run() -> None:
            with log_context(job=request.job.job, attempt=request.job.attempt):
                try:
                    outcome = catch_failure([request], run_on_side_stream)
                except DeviceLost as error:
                    self._on_device_lost(error)
                else:
                    if isinstance(outcome, Failure):
                        on_failure(outcome.reason)

        return self._use_while(image.state.model, lambda: self._thread.submit(run))

    def _use_while(self, model: DiffusionModel, submit: Callable[[], Future[None]]) -> Future[None]:
        """Keep a model on the device until the submitted work is done."""
        self.uses.acquire(model)
        future = submit()
        future.add_done_callback(lambda _: self.uses.release(model))
        return future

    def _postprocess(self, image: RunningImage) -> None:
        request = image.request
        if not request.is_stopped:
            with self._charged(request):
                painted, frame = _paint(image.state, include_flagged=request.job.include_flagged)
            self._send(image, painted)
            if image.capture is None or frame is None:
                self._finish(image)
            else:
                self._capture_later(image, partial(self._send_capture, image, image.capture, frame))
        self._end_if_stopped(image)

    def _capture_later(self, image: RunningImage, work: Callable[[], None]) -> None:
        model = image.state.model
        self.uses.acquire(model)  # while the work waits in the queue

        def submit() -> Future[None]:
            future = self._submit(image, work, image.request.fail)
            self.uses.release(model)
            return future

        self._captures.add(submit)

    def _decode_frame(self, image: RunningImage, capture: ImageCapture) -> None:
        if not image.request.is_stopped:
            with self._charged(image.request):
                capture.decode_next()

    def _send_capture(self, image: RunningImage, capture: ImageCapture, picture: Frame) -> None:
        if not image.request.is_stopped:
            with self._charged(image.request):
                artifacts = capture.finish(picture)
            for artifact in artifacts:
                image.request.send_artifact(image.index, artifact)
            self._finish(image)
        self._end_if_stopped(image)

    @contextmanager
    def _charged(self, request: Request) -> Iterator[None]:
        """Charge the time of the block to a request."""
        start = self._clock()
        try:
            yield
        finally:
            request.postprocess_seconds += self._clock() - start

    def _fail(self, image: RunningImage, reason: str) -> None:
        self._send(image, _failed(image.state, reason))
        self._finish(image)

    def _send(self, image: RunningImage, painted: PaintedImage) -> None:
        _log_image(image.index + 1, painted)
        image.request.send_image(image.index, painted)

    def _finish(self, image: RunningImage) -> None:
        self._pending.discard(image)
        image.request.finish_image(self._clock() - image.request.added_at)

    def _end_if_stopped(self, image: RunningImage) -> None:
        request = image.request
        if request.is_stopped and request.is_denoised:  # else the engine core ends it
            request.finish_cancelled()

    def _preview(self, request: Request, inputs: Sequence[PreviewInput]) -> None:
        start = self._clock()
        try:
            cells = [_preview_image(state, sample) for state, sample in inputs]
            side = _MAX_PREVIEW_SIDE // max(2, math.ceil(math.sqrt(len(cells))))
            for cell in cells:
                cell.thumbnail((side, side))
            request.preview = encode_jpeg(grid.compose(cells))
        finally:
            end = self._clock()
            self._next_preview_at = end + (end - start) * (1 / self._preview_time_share - 1)

    def _end_preview(self, models: Collection[DiffusionModel], _: Future[None]) -> None:
        self._is_previewing = False
        self.uses.release_all(models)


def _log_image(number: int, image: PaintedImage) -> None:
    if image.failed is None:
        log.info("picture checked", extra={"picture": number, **log_fields(image.verdicts)})
    else:
        log.info("picture failed", extra={"picture": number, "reason": image.failed})


def _paint(state: DenoisingState, *, include_flagged: bool) -> tuple[PaintedImage, Frame | None]:
    """The result of an image, and the image if it may be shown."""
    try:
        image = _decode(state)
    except InvalidJob as error:  # of this image alone; the others may succeed
        return _failed(state, str(error)), None
    verdicts = state.model.check_safety(image)
    is_unchecked = any(verdict.score is None for verdict in verdicts)
    is_withheld = flagged(verdicts) and (is_unchecked or not include_flagged)
    painted = PaintedImage(
        png=b"" if is_withheld else with_metadata(encode_png(image), [state.recipe]),
        sha256=pixels_sha256(image),
        verdicts=verdicts,
        row_class=state.recipe.row_class,
        fingerprint=_fingerprint(state),
    )
    return painted, None if is_withheld else Frame(image, painted.flagged)


def _failed(state: DenoisingState, reason: str) -> PaintedImage:
    return PaintedImage(
        png=b"",
        sha256="",
        failed=reason,
        row_class=state.recipe.row_class,
        fingerprint=_fingerprint(state),
    )


def _fingerprint(state: DenoisingState) -> str:
    return state.model.card.fingerprint + (_UNBATCHED if state.is_unbatchable else "")


def _decode(state: DenoisingState) -> Image.Image:
    return _with_memory(state, lambda: state.model.decode_latents(state.latents))


def _decode_frames(state: DenoisingState, latents: torch.Tensor) -> list[Image.Image | None]:
    return _with_memory(state, lambda: state.model.decode_frames(latents))


def _with_memory(state: DenoisingState, decode: Callable[[], T]) -> T:
    """The result of `decode`. If memory is too low, the cache is emptied and it is called again."""
    try:
        return decode()
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    state.model.device.empty_cache()  # outside the except block, whose traceback holds tensors
    return decode()


def _preview_image(state: DenoisingState, pred_original_sample: torch.Tensor) -> Image.Image:
    """The preview of one image; a blank cell if a safety checker flags it."""
    recipe = state.recipe
    previewer = previewer_for(state.model)
    image = previewer.image(pred_original_sample[0], recipe.width, recipe.height)
    return grid.blank_cell(image.size) if flagged(state.model.check_safety(image)) else image
