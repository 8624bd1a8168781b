"""The engine and its rivals, each a way of having jobs painted."""

import io
import logging
import os
import queue
import threading
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
import torch
from diffusers import AutoPipelineForImage2Image
from PIL import Image

from engine import samplers
from engine.bench.stopwatch import Stopwatch
from engine.contract import Event, Failed, Paint, Painted, Recipe
from engine.core.engine_core import Painter
from engine.core.postprocess import Finisher
from engine.core.request import Report, Ticket
from engine.core.worker import Worker
from engine.imaging.encode import png, sha256
from engine.imaging.init_image import fit
from engine.models.base import PaintModel, Words

AT_ONCE: Final = 1024
BATCH_LIMIT: Final = 8
"""Pictures in one call of a pipeline that paints equal jobs together."""
log = logging.getLogger(__name__)

Done = Callable[[list[Recipe], list[str]], None]
"""Called, in any thread, with the recipes as they were painted and the pictures' digests."""


class Way(Protocol):
    """Takes jobs, and says when each has ended."""

    name: str

    def submit(self, job: Paint, done: Done) -> None:
        """Take it; `done` hears of its end."""

    def close(self) -> None:
        """Take no more."""


class Engine:
    """Ours."""

    def __init__(self, model: PaintModel, *, adaptive: bool) -> None:
        self.name = "engine, adaptive" if adaptive else "engine, exact"
        self._adaptive = adaptive
        self._in_model = Stopwatch(model.device)
        self._predict = model.predict
        model.predict = self._timed  # type: ignore[method-assign]
        self.painter = Painter([model], Finisher(), AT_ONCE)
        self._worker = Worker(self.painter, _give_up)

    def submit(self, job: Paint, done: Done) -> None:
        """Hand it to the worker."""
        job = msgspec.structs.replace(job, adaptive=self._adaptive)
        self._worker.submit(job, _hearing(done, job))

    def close(self) -> None:
        """End its threads."""
        self._worker.close()
        self.painter.model.predict = self._predict  # type: ignore[method-assign]

    def _timed(self, latents: torch.Tensor, timesteps: torch.Tensor, words: Words) -> torch.Tensor:
        return self._in_model.time(lambda: self._predict(latents, timesteps, words))

    def alone(self, recipe: Recipe, source: bytes | None) -> str:
        """The digest of this picture when nothing else is painted."""
        ended: queue.Queue[str] = queue.Queue()
        job = Paint(job="alone", attempt=1, recipes=(recipe,), source=source, previews=False)
        painter = Painter(self.painter.models, self.painter.finisher)
        painter.admit(Ticket(job, _hearing(lambda _, digests: ended.put(digests[0]), job)))
        while painter.tickets:
            painter.tick()
        painter.close()
        return ended.get()

    def padding(self) -> float:
        """Share of all rows so far that were nobody's."""
        given, used = self.painter.meter.rows
        return 1 - used / given

    def besides(self) -> float:
        """Share of the ticks' time so far that was not the model's; see Stopwatch."""
        return 1 - self._in_model.seconds / self.painter.meter.seconds


def _hearing(done: Done, job: Paint) -> Report:
    """Calls `done` at the end of this job."""

    def hear(event: Event) -> None:
        if isinstance(event, Painted):
            recipes = [
                msgspec.structs.replace(recipe, row_class=picture.row_class)
                for recipe, picture in zip(job.recipes, event.pictures, strict=True)
            ]
            done(recipes, [picture.sha256 for picture in event.pictures])
        elif isinstance(event, Failed):
            _give_up(event.reason)

    return hear


class Diffusers:
    """diffusers' own pipelines, one call after another, in a thread of their own."""

    def __init__(
        self,
        pipeline: Any,  # noqa: ANN401 # has no types
        *,
        together: bool = False,
        compiled: bool = False,
    ) -> None:
        how = "equal jobs together" if together else "compiled" if compiled else "one by one"
        self.name = f"diffusers, {how}"
        self._pipeline = pipeline
        self._unet = pipeline.unet
        if compiled:
            pipeline.unet = torch.compile(self._unet, mode="reduce-overhead")
        self._sketching = AutoPipelineForImage2Image.from_pipe(pipeline)
        self._together = together
        self._waiting: list[tuple[Paint, Done]] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def submit(self, job: Paint, done: Done) -> None:
        """First come, first served."""
        with self._changed:
            self._waiting.append((job, done))
            self._changed.notify()

    def close(self) -> None:
        """End its thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._pipeline.unet = self._unet

    def _work(self) -> None:
        while batch := self._next():
            recipes = [recipe for job, _ in batch for recipe in job.recipes]
            digests = self._paint(recipes, batch[0][0].source)
            for job, done in batch:
                done(list(job.recipes), [digests.pop(0) for _ in job.recipes])

    def _next(self) -> list[tuple[Paint, Done]]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if not self._waiting:
                return []
            first = self._waiting[0][0]
            alike = [entry for entry in self._waiting if _alike(entry[0], first)]
            room = max(1, BATCH_LIMIT // len(first.recipes))
            batch = alike[: room if self._together else 1]
            self._waiting = [entry for entry in self._waiting if entry not in batch]
            return batch

    def _paint(self, recipes: list[Recipe], source: bytes | None) -> list[str]:
        first = recipes[0]
        options: dict[str, Any] = {
            "prompt": [recipe.prompt for recipe in recipes],
            "negative_prompt": [recipe.negative for recipe in recipes],
            "num_inference_steps": first.steps,
            "guidance_scale": first.guidance,
            "generator": [torch.Generator("cpu").manual_seed(recipe.seed) for recipe in recipes],
        }
        config = self._pipeline.scheduler.config
        if source is None:
            self._pipeline.scheduler = samplers.make(first.sampler, config)
            images = self._pipeline(**options, width=first.width, height=first.height).images
        else:
            self._sketching.scheduler = samplers.make(first.sampler, config)
            with Image.open(io.BytesIO(source)) as image:
                fitted = fit(image.convert("RGB"), first.width, first.height)
            images = self._sketching(**options, image=fitted, strength=first.strength).images
        return [sha256(png(image)) for image in images]


def _alike(one: Paint, other: Paint) -> bool:
    """May one call of a pipeline paint both?"""
    plain = [msgspec.structs.replace(job.recipes[0], prompt="x", seed=0) for job in (one, other)]
    return plain[0] == plain[1] and len(one.recipes) == len(other.recipes)


def _give_up(reason: object) -> None:
    log.critical("The benchmark cannot go on: %s", reason)
    os._exit(1)
