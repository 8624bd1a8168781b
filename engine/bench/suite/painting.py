"""Paint jobs in this thread, and intercept the model's forward passes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import torch

from engine.contract import (
    Backend,
    Capture,
    Completed,
    Ending,
    Event,
    ImageDone,
    Paint,
    PaintedImage,
    Recipe,
    Sampler,
)
from engine.core.batch_cost import BatchCostModel
from engine.core.engine_core import EngineCore
from engine.core.postprocess import Postprocessor
from engine.core.request import Request
from engine.errors import EngineError
from engine.models.base import Conditioning, DiffusionModel

MAX_RUNNING = 1024
Predict = Callable[[torch.Tensor, torch.Tensor, Conditioning, Backend], torch.Tensor]
OnTick = Callable[[int, Sequence[Request]], None]
"""Called after each tick with the number of ticks so far and all requests."""


@dataclass
class JobResult:
    """What became of a job."""

    job: Paint
    images: dict[int, PaintedImage]
    """By the index of the recipe."""
    ending: Ending | None = None
    seconds: float = 0.0
    """From the submission of all jobs to its end."""

    @property
    def digests(self) -> list[str]:
        """Of its pictures, in the order of the recipes; why there is none for failed ones.

        Raises EngineError if the job was not completed.
        """
        if not isinstance(self.ending, Completed):
            raise EngineError(f"The job {self.job.job} was not painted: {self.ending}.")
        return [
            self.images[index].sha256 or f"failed: {self.images[index].failed}"
            for index in sorted(self.images)
        ]


def recipe(model: DiffusionModel, **changes: Any) -> Recipe:  # noqa: ANN401 - any field
    """A recipe of the model's native size with 8 steps."""
    card = model.card
    fields: dict[str, Any] = {
        "model": card.name,
        "revision": card.revision,
        "prompt": "a red house at night",
        "seed": 7,
        "steps": 8,
        "guidance": card.guidance,
        "sampler": Sampler.DPMPP_2M,
        "width": card.native_size,
        "height": card.native_size,
        "backend": card.backend,
        "row_class": 2,
    }
    return Recipe(**(fields | changes))


def job(*recipes: Recipe, name: str = "a", **changes: Any) -> Paint:  # noqa: ANN401 - any field
    """A job without previews; flagged pictures are sent too."""
    return Paint(
        job=name,
        attempt=1,
        recipes=recipes,
        capture=Capture(previews=False),
        include_flagged=True,
        **changes,
    )


def paint(
    models: Sequence[DiffusionModel],
    jobs: Sequence[Paint],
    on_tick: OnTick | None = None,
    costs: BatchCostModel | None = None,
) -> list[JobResult]:
    """Paint jobs at the same time, until all of them have ended."""
    core = EngineCore(models, _postprocessor(), MAX_RUNNING, row_class_costs=costs)
    start = time.monotonic()
    results = [JobResult(job, {}) for job in jobs]
    requests = [Request(result.job, _event_sink(result, start)) for result in results]
    try:
        for request in requests:
            core.add_request(request)
        ticks = 0
        while core.requests:
            core.tick()
            ticks += 1
            if on_tick is not None:
                on_tick(ticks, requests)
        core.postprocessor.flush()
    finally:
        core.close()
    return results


@cache
def _postprocessor() -> Postprocessor:
    """One for all jobs: its thread has a CUDA stream, of which torch has only 32 different ones."""
    return Postprocessor()


def close() -> None:
    """End the postprocessor's thread. Further jobs get a new one."""
    _postprocessor().close()
    _postprocessor.cache_clear()


def paint_alone(model: DiffusionModel, recipe: Recipe) -> str:
    """The digest of a picture that is painted while nothing else is."""
    [result] = paint([model], [job(recipe)])
    return result.digests[0]


def _event_sink(result: JobResult, start: float) -> Callable[[Event], None]:
    def on_event(event: Event) -> None:
        if isinstance(event, ImageDone):
            result.images[event.index] = event.image
        elif isinstance(event, Ending):
            result.ending = event
            result.seconds = time.monotonic() - start

    return on_event


def used_recipe(recipe: Recipe, image: PaintedImage) -> Recipe:
    """The recipe with the row class and the backend that were used."""
    return msgspec.structs.replace(recipe, row_class=image.row_class, backend=image.backend)


@contextmanager
def intercepted(model: DiffusionModel, wrap: Callable[[Predict], Predict]) -> Iterator[None]:
    """In the block, the model's forward passes go through what `wrap` makes of `predict`."""
    outer = vars(model).get("predict")
    model.predict = wrap(model.predict)  # type: ignore[method-assign,assignment] # an instance attribute
    try:
        yield
    finally:
        del model.predict
        if outer is not None:
            model.predict = outer  # type: ignore[method-assign] # as it was
