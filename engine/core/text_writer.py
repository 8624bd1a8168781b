"""Write texts: continue prompts and describe pictures, in a thread beside the engine core's."""

import time
from collections.abc import Collection
from concurrent.futures import Executor
from typing import Final

from PIL import Image

from engine.contract import Description, Paint, TextWork
from engine.contract.images.refusals import InvalidImage
from engine.core.failures import Failure, InitImageFlagged
from engine.core.model_pool import ModelPool
from engine.core.request import Request
from engine.core.side_thread import SideThread
from engine.errors import InvalidJob
from engine.imaging.init_image import decode_source
from engine.models.base import DiffusionModel
from engine.safety import flagged
from engine.texts import NO_CAPTIONER, NO_EXPANDER, TextModels

_FLAGGED: Final = "The picture was withheld by the safety check."


class TextWriter:
    """Writes one text after another."""

    def __init__(self, models: TextModels | None = None, executor: Executor | None = None) -> None:
        """`executor` replaces the thread."""
        self.models = models or TextModels()
        self.thread = SideThread("text-writer", executor)

    def check(self, job: Paint) -> None:
        """Raise InvalidJob if a model that the job needs is missing, or its picture."""
        if job.text is None:
            return
        if isinstance(job.text, Description):
            if self.models.captioner is None:
                raise InvalidJob(NO_CAPTIONER)
            if job.text.image not in job.inputs:
                raise InvalidJob("The picture that should be described was not sent.")
        elif self.models.expander is None:
            raise InvalidJob(NO_EXPANDER)

    def write(
        self,
        request: Request,
        work: TextWork,
        models: Collection[DiffusionModel],
        uses: ModelPool,
    ) -> None:
        """End the request with texts. `models`, which are on the device, check the picture of a
        description; one that any of them flags ends the request as failed."""

        def write() -> None:
            start = time.monotonic()
            texts = self._texts(request, work, models)
            seconds = time.monotonic() - start
            request.postprocess_seconds += seconds
            request.finish_texts(texts, seconds)

        def fail(failure: Failure) -> None:
            request.fail(failure.reason, init_image_flagged=failure.init_image_flagged)

        uses.acquire_all(models)
        future = self.thread.submit(request, write, fail)
        future.add_done_callback(lambda _: uses.release_all(models))

    def _texts(
        self, request: Request, work: TextWork, models: Collection[DiffusionModel]
    ) -> tuple[str, ...]:
        expander, captioner = self.models
        if isinstance(work, Description):
            picture = _decode(request.files[work.image])
            if not models or any(flagged(model.check_safety(picture)) for model in models):
                raise InitImageFlagged(_FLAGGED)
            return () if captioner is None else captioner.describe(picture)
        return () if expander is None else (expander.expand(work.prompt, work.seed),)


def _decode(data: bytes) -> Image.Image:
    try:
        return decode_source(data)
    except InvalidImage as error:
        raise InvalidJob(str(error)) from error
