"""Upscale earlier pictures, in a thread beside the engine core's."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from functools import partial

from PIL import Image

from engine.contract import Detail, Paint, Upscale, pixels_sha256
from engine.contract.images.refusals import InvalidImage
from engine.core.pictures import Origin
from engine.core.postprocess import Postprocessor, Slot
from engine.core.request import ImageInput, Request
from engine.core.side_thread import SideThread
from engine.errors import InvalidJob
from engine.imaging.init_image import decode_source
from engine.models.base import DiffusionModel
from engine.pipeline.tiles import Canvas, InitTile
from engine.upscale import upscaler_for
from engine.upscale.base import Upscaler

Enlargement = Upscale | Detail


def _do_nothing() -> None:
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
        self.thread = SideThread("enlarger", executor)

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
            start = time.monotonic()
            files = [request.files[digest] for digest in request.job.inputs]
            picture = _picture(work.image, work.picture.size, files)
            enlarged = self._upscaler(work).upscale(picture, work.scale)
            request.postprocess_seconds += time.monotonic() - start
            on_picture(enlarged)

        return self.thread.submit(request, upscale, lambda failure: on_failure(failure.reason))


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
