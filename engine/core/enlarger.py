"""Upscale earlier pictures, in a thread beside the engine core's."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from weakref import WeakSet

from PIL import Image

from engine.contract import Detail, Paint, Upscale, pixels_sha256
from engine.contract.images.refusals import InvalidImage
from engine.core.failures import Failure, catch_failure
from engine.core.pictures import Origin
from engine.core.postprocess import Postprocessor, Slot
from engine.core.request import ImageInput, Request
from engine.errors import DeviceLost, InvalidJob
from engine.imaging.init_image import decode_source
from engine.log import log_context
from engine.models.base import DiffusionModel
from engine.pipeline.tiles import Canvas, InitTile
from engine.upscale import upscaler_for
from engine.upscale.base import Upscaler

Enlargement = Upscale | Detail


def _do_nothing(*_: object) -> None:
    pass


class Enlarger:
    """Upscales pictures one after another, those of a job in their order."""

    def __init__(
        self, upscalers: Sequence[Upscaler] = (), executor: Executor | None = None
    ) -> None:
        """`executor` replaces the thread."""
        self.upscalers = tuple(upscalers)
        self.ready: deque[Request] = deque()
        """Requests whose pictures are upscaled, so that they can be painted over."""
        self.on_ready: Callable[[], None] = _do_nothing
        """Called in the thread when a request is added to `ready`."""
        self.on_device_lost: Callable[[DeviceLost], None] = _do_nothing
        """Called in the thread; the affected request gets no ending."""
        self._thread = executor or ThreadPoolExecutor(1, "enlarger")
        self._pending: list[Request] = []
        """A request is in it once for each picture that is not upscaled yet."""
        self._lost: WeakSet[Request] = WeakSet()
        """Those that the loss of the device has stopped; they get no ending."""

    def check(self, job: Paint) -> None:
        """Raise InvalidJob if an upscaler that the job needs is missing."""
        for work in job.recipes:
            if isinstance(work, Enlargement):
                self._upscaler(work)

    def upscale(
        self, request: Request, index: int, model: DiffusionModel, postprocessor: Postprocessor
    ) -> None:
        """Make the picture of this Upscale, and hand it to the postprocessor."""
        work = request.job.recipes[index]
        assert isinstance(work, Upscale)  # noqa: S101 -- by the caller
        slot = Slot(request, index, model)
        origin = Origin(model, work, work.row_class, self._upscaler(work).fingerprint)
        postprocessor.uses.acquire(model)
        future = self._submit(
            request,
            work,
            partial(postprocessor.postprocess_picture, slot, origin),
            partial(postprocessor.fail_picture, slot, origin),
        )
        future.add_done_callback(lambda _: postprocessor.uses.release(model))

    def prepare(self, request: Request, canvases: Sequence[Canvas]) -> None:
        """Upscale the pictures of these Details; then the request is `ready`."""
        remaining = list(canvases)

        def set_picture(canvas: Canvas, picture: Image.Image) -> None:
            canvas.set_picture(picture, self._upscaler(canvas.detail).fingerprint)
            remaining.remove(canvas)
            if not remaining:
                self.ready.append(request)
                self.on_ready()

        for canvas in canvases:
            self._submit(request, canvas.detail, partial(set_picture, canvas), request.fail)

    def flush(self) -> None:
        """Wait until all work that was submitted so far is done."""
        self._thread.submit(lambda: None).result()

    def close(self, timeout: float | None = None) -> None:
        """Cancel the pending requests, and wait up to `timeout` seconds for the thread (None:
        without limit)."""
        for request in list(self._pending):
            if request not in self._lost:
                request.finish_cancelled()
        wait([self._thread.submit(lambda: None)], timeout)
        self._thread.shutdown(wait=False)

    def _upscaler(self, work: Enlargement) -> Upscaler:
        upscaler = upscaler_for(work.upscaler, work.upscaler_revision, self.upscalers)
        if work.scale not in upscaler.scales:
            raise InvalidJob(
                f"The upscaler {upscaler.name} cannot enlarge by {work.scale}, only by "
                f"{' or '.join(map(str, upscaler.scales))}."
            )
        return upscaler

    def _submit(
        self,
        request: Request,
        work: Enlargement,
        on_picture: Callable[[Image.Image], None],
        on_failure: Callable[[str], None],
    ) -> Future[None]:
        """Upscale a picture in the thread, and there call one of the two functions.

        The reason of a failure is a sentence for the user. A request that was stopped is ended.
        """

        def upscale() -> None:
            if request.is_stopped:
                request.finish_cancelled()
                return
            start = time.monotonic()
            files = [request.files[digest] for digest in request.job.inputs]
            picture = _picture(work.image, work.picture.size, files)
            enlarged = self._upscaler(work).upscale(picture, work.scale)
            request.postprocess_seconds += time.monotonic() - start
            on_picture(enlarged)

        def run() -> None:
            with log_context(job=request.job.job, attempt=request.job.attempt):
                try:
                    outcome = catch_failure([request], upscale)
                except DeviceLost as error:
                    self._lost.add(request)
                    self.on_device_lost(error)
                else:
                    if isinstance(outcome, Failure):
                        on_failure(outcome.reason)
            self._pending.remove(request)

        self._pending.append(request)
        return self._thread.submit(run)


def canvases_of(inputs: Iterable[ImageInput]) -> list[Canvas]:
    """The canvases of the tiles among these inputs, each once."""
    tiles = [image.inputs for image in inputs if isinstance(image.inputs, InitTile)]
    return list(dict.fromkeys(tile.canvas for tile in tiles))


def with_empty_canvases(inputs: Sequence[ImageInput]) -> list[ImageInput]:
    """The same inputs, with tiles of new canvases in place of those that were used."""
    emptied = {canvas: canvas.emptied() for canvas in canvases_of(inputs)}
    return [
        replace(image, inputs=emptied[image.inputs.canvas].inputs[image.inputs.nth])
        if isinstance(image.inputs, InitTile)
        else image
        for image in inputs
    ]


def _picture(digest: str, size: tuple[int, int], files: Iterable[bytes]) -> Image.Image:
    """The picture of this size and digest of its pixels. Raises InvalidJob if it is missing."""
    for data in files:
        try:
            image = decode_source(data)
        except InvalidImage:  # an input of other work, which says so
            continue
        if image.size == size and pixels_sha256(image) == digest:
            return image
    raise InvalidJob(
        "The picture that should be enlarged was not sent to the engine, or its pixels are not "
        "those of the record."
    )
