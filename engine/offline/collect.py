"""Paint jobs for other jobs: what enlargements need, kept in memory."""

from collections.abc import Sequence
from concurrent.futures import Future

import msgspec

from engine.contract import (
    Capture,
    Ending,
    Event,
    Failed,
    ImageDone,
    Paint,
    PaintedImage,
    Recipe,
    Upscale,
    UpscalerCard,
    Work,
    sha256,
    with_row_class,
)
from engine.core.job_files import JobWithFiles
from engine.core.worker import start_worker
from engine.errors import EngineError, UsageError
from engine.models.base import DiffusionModel
from engine.upscale import NOT_INSTALLED


def upscaled(job: JobWithFiles, scale: int, models: Sequence[DiffusionModel]) -> JobWithFiles:
    """The job that enlarges the pictures of this one, which is painted first.

    Raises UsageError if the upscaler is missing, EngineError if a picture could not be painted.
    """
    images, upscalers = _paint(job, models)
    if not upscalers:
        raise UsageError(NOT_INSTALLED)
    upscaler = upscalers[0]
    try:
        works = tuple(
            Upscale(
                picture=with_row_class(work, image.row_class, image.backend),
                image=image.sha256,
                upscaler=upscaler.name,
                upscaler_revision=upscaler.revision,
                scale=scale,
            )
            for work, image in zip(job.paint.recipes, images, strict=True)
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    files = {sha256(image.png): image.png for image in images}
    paint = msgspec.structs.replace(job.paint, recipes=works, inputs=tuple(files))
    return JobWithFiles(paint, files)


def painted_inputs(works: Sequence[Work], models: Sequence[DiffusionModel]) -> dict[str, bytes]:
    """The pictures that this work enlarges, painted again, by the digests of their pixels.

    Raises EngineError if one cannot be painted.
    """
    pictures = tuple(work.picture for work in works if not isinstance(work, Recipe))
    if not pictures:
        return {}
    earlier = painted_inputs(pictures, models)
    files = {sha256(data): data for data in earlier.values()}
    paint = Paint(
        job="inputs",
        attempt=1,
        recipes=pictures,
        inputs=tuple(files),
        capture=Capture(previews=False),
    )
    images, _ = _paint(JobWithFiles(paint, files), models)
    return {image.sha256: image.png for image in images}


def _paint(
    job: JobWithFiles, models: Sequence[DiffusionModel]
) -> tuple[list[PaintedImage], tuple[UpscalerCard, ...]]:
    """The pictures of a job, and the installed upscalers. Raises EngineError."""
    images: dict[int, PaintedImage] = {}
    ended: Future[Ending] = Future()

    def on_event(event: Event) -> None:
        if isinstance(event, ImageDone):
            images[event.index] = event.image
        elif isinstance(event, Ending):
            ended.set_result(event)

    worker = start_worker(models, ended.set_exception)
    try:
        worker.submit(job.paint, on_event, job.files)
        ending = ended.result()
        upscalers = worker.upscalers
    finally:
        worker.close()
    if isinstance(ending, Failed):
        raise EngineError(ending.reason)
    for index, image in sorted(images.items()):
        if not image.png:
            reason = image.failed or "It was withheld by the safety check."
            raise EngineError(f"Picture {index + 1} cannot be enlarged. {reason}")
    return [images[index] for index in range(len(job.paint.recipes))], upscalers
