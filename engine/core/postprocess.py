"""Decode latents, check the images and encode them, in a thread beside the engine core's."""

import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final
from weakref import WeakSet

import torch
from PIL import Image

from engine.contract import ArtifactRole, PaintedImage
from engine.contract.images import grid
from engine.contract.images.encode import encode_jpeg
from engine.core import pictures
from engine.core.background import BackgroundQueue
from engine.core.capture import Artifact, Frame, ImageCapture
from engine.core.decoding import DecoderPool, Decoding
from engine.core.failures import Failure, catch_failure
from engine.core.model_pool import ModelPool
from engine.core.pictures import Origin, Result
from engine.core.request import Request, RunningImage, WaitingImage
from engine.errors import DeviceLost, EngineError
from engine.log import log_context
from engine.models.base import DiffusionModel
from engine.pipeline.denoise import DenoisingState
from engine.pipeline.preview import MAX_SIDE, previewer_for
from engine.pipeline.tiles import Canvas, InitTile
from engine.safety import flagged, log_fields

log = logging.getLogger(__name__)

PREVIEW_TIME_SHARE: Final = 0.02
"""Maximum share of the time that is spent on previews."""
_MAX_PREVIEW_SIDE: Final = 2 * MAX_SIDE
"""Longest side, in pixels, of the grid of a request's previews."""
FatalErrorHandler = Callable[[EngineError], None]
PreviewInput = tuple[DenoisingState, torch.Tensor]
"""A state, and the value of its `pred_original_sample` when the preview was requested."""


@dataclass(frozen=True)
class Slot:
    """The place of a picture in its request."""

    request: Request
    index: int
    """Of its recipe in the job."""
    model: DiffusionModel
    """It paints the picture, or checks it."""

    @classmethod
    def of(cls, image: RunningImage) -> "Slot":
        """The slot of the picture that an image becomes, or a tile becomes a part of."""
        return cls(image.request, image.index, image.state.model)


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
        self._decoders = DecoderPool(clock)
        self._captures: BackgroundQueue[Callable[[], Future[None]]] = BackgroundQueue(
            lambda submit: submit()
        )
        self.uses = ModelPool([])
        """Where the models are kept on the device that its work needs; the engine core sets it."""
        self._is_previewing = False
        self._next_preview_at = 0.0
        self._requests: WeakSet[Request] = WeakSet()
        """Those whose images were given to it."""

    @property
    def can_preview(self) -> bool:
        """Whether no preview is being rendered and their share of the time is not used up."""
        return not self._is_previewing and self._clock() >= self._next_preview_at

    def postprocess(self, image: RunningImage) -> None:
        """Make an image whose evaluations are done, and send it. Called by the core's thread.

        After its last image, the request ends: completed, failed or cancelled.
        """
        slot = Slot.of(image)
        self._requests.add(slot.request)
        decoding = self._decoders.start(image)
        work = partial(self._postprocess, image, slot, decoding)
        self._submit(slot, work, partial(self._fail, image, slot))

    def postprocess_picture(self, slot: Slot, origin: Origin, picture: Image.Image) -> None:
        """Check and send a picture that needs no decoding. Any thread may call it."""

        def work() -> None:
            if not slot.request.is_stopped:
                with self._charged(slot.request):
                    result = pictures.check(picture, origin, slot.request.job)
                self._send(slot, result)
            self._end_if_stopped(slot.request)

        self._submit(slot, work, partial(self.fail_picture, slot, origin))
        self._requests.add(slot.request)

    def fail_picture(self, slot: Slot, origin: Origin, reason: str) -> None:
        """Send that there is no such picture, and why. Any thread may call it."""
        self._send(slot, pictures.failed(origin, reason))

    def start_capture(self, image: RunningImage) -> None:
        """Prepare the capture of an image's steps, if its job requests one."""
        job = image.request.job
        if job.capture.film or job.capture.strip:
            image.capture = ImageCapture(
                image.state,
                job.capture,
                pictures.decode_frames,
                include_flagged=job.include_flagged,
            )
            self.capture([image])

    def capture(self, images: Iterable[RunningImage]) -> None:
        """Remember the steps that images have just completed, for those that are captured.

        They are decoded one by one, and after everything else that waits, so that the pictures of
        other jobs need not wait for a whole film.
        """
        for image in images:
            if image.capture is not None and image.capture.remember():
                work = partial(self._decode_frame, image.request, image.capture)
                self._capture_later(Slot.of(image), work, image.capture.fail)

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
        future = self._submit(Slot.of(request.images[0]), work, lambda _: None)
        future.add_done_callback(partial(self._end_preview, models))

    def flush(self) -> None:
        """Wait until all work that was submitted so far is done."""
        self._thread.submit(lambda: None).result()

    def close(self, timeout: float | None = None) -> None:
        """Cancel the requests of pending images, and wait up to `timeout` seconds for the thread
        (None: without limit)."""
        requests = list(self._requests)
        for request in requests:
            request.request_cancel()
        self._captures.clear()
        wait([self._thread.submit(lambda: None)], timeout)
        self._thread.shutdown(wait=False)
        self._decoders.close()
        for request in requests:  # also those whose files were still to be made
            request.finish_cancelled()

    def _submit(
        self, slot: Slot, work: Callable[[], None], on_failure: Callable[[str], None]
    ) -> Future[None]:
        request, device = slot.request, slot.model.device
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
                    self._requests.discard(request)  # it gets no ending
                    self._on_device_lost(error)
                else:
                    if isinstance(outcome, Failure):
                        on_failure(outcome.reason)

        return self._use_while(slot.model, lambda: self._thread.submit(run))

    def _use_while(self, model: DiffusionModel, submit: Callable[[], Future[None]]) -> Future[None]:
        """Keep a model on the device until the submitted work is done."""
        self.uses.acquire(model)
        future = submit()
        future.add_done_callback(lambda _: self.uses.release(model))
        return future

    def _postprocess(self, image: RunningImage, slot: Slot, decoding: Decoding) -> None:
        decoding.wait()
        slot.request.postprocess_seconds += decoding.seconds
        if not slot.request.is_stopped:
            with self._charged(slot.request):
                result = pictures.paint(image.state, slot.request.job, decoding.picture)
            if result is not None:
                self._send(slot, result, image.capture)
        self._end_if_stopped(slot.request)

    def _send(self, slot: Slot, result: Result, capture: ImageCapture | None = None) -> None:
        """Send a picture, and then the artifacts that its job requests."""
        _log_image(slot.index + 1, result.painted)
        slot.request.send_image(slot.index, result.painted)
        picture = result.picture
        if picture is None or capture is None:
            self._finish(slot)
        else:
            self._send_artifacts(slot, picture, capture)

    def _send_artifacts(self, slot: Slot, picture: Frame, capture: ImageCapture) -> None:
        """Make and send them later, each by itself, so that one that fails costs nothing else."""

        def make_later(role: ArtifactRole, make: Callable[[], Artifact]) -> None:
            work = partial(self._send_artifact, slot, make)
            self._capture_later(slot, work, partial(self._fail_artifact, slot, role))

        for recorder in capture.recorders:
            make_later(recorder.role, partial(capture.finish, recorder, picture))
        self._capture_later(slot, partial(self._end_artifacts, slot), slot.request.fail)

    def _send_artifact(self, slot: Slot, make: Callable[[], Artifact]) -> None:
        if not slot.request.is_stopped:
            with self._charged(slot.request):
                artifact = make()
            slot.request.send_artifact(slot.index, artifact)

    def _fail_artifact(self, slot: Slot, role: ArtifactRole, reason: str) -> None:
        log.warning(
            "artifact failed", extra={"picture": slot.index + 1, "role": role, "reason": reason}
        )
        slot.request.fail_artifact(slot.index, role, reason)

    def _end_artifacts(self, slot: Slot) -> None:
        self._finish(slot)  # without effect on a stopped request
        self._end_if_stopped(slot.request)

    def _capture_later(
        self, slot: Slot, work: Callable[[], None], on_failure: Callable[[str], None]
    ) -> None:
        self.uses.acquire(slot.model)  # while the work waits in the queue

        def submit() -> Future[None]:
            future = self._submit(slot, work, on_failure)
            self.uses.release(slot.model)
            return future

        self._captures.add(submit)

    def _decode_frame(self, request: Request, capture: ImageCapture) -> None:
        if not request.is_stopped:
            with self._charged(request):
                capture.decode_next()

    @contextmanager
    def _charged(self, request: Request) -> Iterator[None]:
        """Charge the time of the block to a request."""
        start = self._clock()
        try:
            yield
        finally:
            request.postprocess_seconds += self._clock() - start

    def _fail(self, image: RunningImage, slot: Slot, reason: str) -> None:
        result = pictures.fail(image.state, reason)
        if result is not None:
            self._send(slot, result)

    def _finish(self, slot: Slot) -> None:
        slot.request.finish_image(self._clock() - slot.request.added_at)

    def _end_if_stopped(self, request: Request) -> None:
        if request.is_stopped and request.is_denoised:  # else the engine core ends it
            request.finish_cancelled()

    def _preview(self, request: Request, inputs: Sequence[PreviewInput]) -> None:
        start = self._clock()
        try:
            cells = _preview_images(inputs)
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


def _preview_images(inputs: Sequence[PreviewInput]) -> list[Image.Image]:
    """The previews of these states; the tiles of one picture are blended into one."""
    cells: list[Image.Image] = []
    tiles: dict[Canvas, list[Image.Image]] = {}
    for state, sample in inputs:
        image, tile = _preview_image(state, sample), state.inputs
        if isinstance(tile, InitTile):
            tiles.setdefault(tile.canvas, []).append(image)
        else:
            cells.append(image)
    return cells + [canvas.blend(images) for canvas, images in tiles.items()]


def _preview_image(state: DenoisingState, pred_original_sample: torch.Tensor) -> Image.Image:
    """The preview of one image; a blank cell if a safety checker flags it."""
    recipe = state.recipe
    previewer = previewer_for(state.model)
    image = previewer.image(pred_original_sample[0], recipe.width, recipe.height)
    image = state.finished(image)
    return grid.blank_cell(image.size) if flagged(state.model.check_safety(image)) else image
