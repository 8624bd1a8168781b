"""The backends that the benchmark compares: diffusers' pipelines and the engine."""

import copy
import io
import logging
import os
import queue
import threading
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

import msgspec
import torch
from diffusers import AutoPipelineForImage2Image, DiffusionPipeline
from PIL import Image

from engine.bench.stopwatch import Stopwatch
from engine.contract import (
    Capture,
    Completed,
    Event,
    Failed,
    ImageDone,
    Paint,
    PaintedImage,
    Recipe,
    pixels_sha256,
)
from engine.contract.images.fit import resize_and_crop
from engine.core.batch_cost import BatchCostModel
from engine.core.engine_core import EngineCore
from engine.core.flexible_batches import FlexibleBatches, default_group
from engine.core.job_files import JobWithFiles
from engine.core.postprocess import Postprocessor
from engine.core.request import EventSink, Request
from engine.core.row_class_chooser import RowClassChooser
from engine.core.worker import Worker
from engine.device import Device
from engine.errors import EngineError
from engine.models.base import DiffusionModel
from engine.models.latent_diffusion import LatentDiffusion
from engine.models.loading import denoiser_name, denoiser_of
from engine.schedulers import make_scheduler

MAX_RUNNING: Final = 1024
MAX_BATCH: Final = 8
"""Maximum number of pictures in one call of a pipeline that paints equal jobs together."""
_costs: WeakKeyDictionary[DiffusionModel, BatchCostModel] = WeakKeyDictionary()
_flexible_batches: WeakKeyDictionary[DiffusionModel, FlexibleBatches] = WeakKeyDictionary()
log = logging.getLogger(__name__)

OnDone = Callable[[list[Recipe], list[str]], None]
"""Called in any thread with a job's recipes, which have the row class that was used, and with the
digests of its pictures."""


class Backend(Protocol):
    """Paints jobs and calls a function at the end of each."""

    name: str

    def submit(self, job: JobWithFiles, on_done: OnDone) -> None:
        """Queue a job; `on_done` is called when it is painted."""

    def close(self) -> None:
        """Stop the backend's threads. No job may be queued or running."""


class Engine:
    """This engine, with exact or adaptive row classes."""

    def __init__(self, model: DiffusionModel, *, adaptive: bool) -> None:
        self.name = "engine, adaptive" if adaptive else "engine, exact"
        self._adaptive = adaptive
        self._model_time = Stopwatch(model.device)
        postprocessor = Postprocessor(on_device_lost=exit_bench)
        self.engine_core = EngineCore(
            [model],
            postprocessor,
            MAX_RUNNING,
            self._model_time.time,
            row_class_costs=costs_of(model),
            flexible=shared_flexible_batches(model),
        )
        self._worker = Worker(self.engine_core, exit_bench)

    def submit(self, job: JobWithFiles, on_done: OnDone) -> None:
        """Queue a job in the worker."""
        paint = msgspec.structs.replace(job.paint, adaptive=self._adaptive)
        self._worker.submit(paint, _event_sink(on_done, paint), job.files)

    def close(self) -> None:
        """Stop the worker."""
        self._worker.close()

    def digest_alone(self, recipe: Recipe, job: JobWithFiles) -> str:
        """The digest of a picture of a job that is painted while nothing else is."""
        digest: queue.Queue[str] = queue.Queue()
        paint = Paint(
            job="alone",
            attempt=1,
            recipes=(recipe,),
            inputs=job.paint.inputs,
            capture=Capture(previews=False),
        )
        emit = _event_sink(lambda _, digests: digest.put(digests[0]), paint)
        engine_core = EngineCore(self.engine_core.models, self.engine_core.postprocessor)
        engine_core.add_request(Request(paint, emit, job.files))
        while engine_core.requests:
            engine_core.tick()
        engine_core.close()
        return digest.get()

    def padding(self) -> float:
        """Share of all rows so far that were padding."""
        total, used = self.engine_core.meter.rows
        return 1 - used / total

    def overhead(self) -> float:
        """Share of the ticks' time so far outside the model; see Stopwatch."""
        return 1 - self._model_time.seconds / self.engine_core.meter.seconds


def costs_of(model: DiffusionModel) -> BatchCostModel:
    """The costs of a model's batches, which all backends and loads share."""
    return _costs.setdefault(model, BatchCostModel())


def shared_flexible_batches(model: DiffusionModel) -> FlexibleBatches:
    """The flexible batches of a model, which all backends and loads share."""
    workers = model.device.max_concurrent_batches
    return _flexible_batches.setdefault(model, FlexibleBatches(workers))


def measure_row_classes(model: DiffusionModel, width: int, height: int) -> None:
    """Prove and measure the batches of this size, so that no load has to wait for it."""
    key = default_group(model, width, height)
    flexible = shared_flexible_batches(model)
    flexible.prove(key, model)
    if flexible.may_have(key):
        return
    for rows in sorted(model.card.row_classes(width, height), reverse=True):
        model.is_batch_invariant(width, height, rows, backend=model.card.backend)
    RowClassChooser(costs_of(model), model.device.max_concurrent_batches).measure(model, key)


def recipes_of(job: Paint) -> list[Recipe]:
    """The recipes of a job of the benchmark, which has no other work."""
    return [work for work in job.recipes if isinstance(work, Recipe)]


def _event_sink(on_done: OnDone, job: Paint) -> EventSink:
    """An event sink that calls `on_done` when the job is painted; a failure ends the benchmark."""
    images: dict[int, PaintedImage] = {}

    def on_event(event: Event) -> None:
        if isinstance(event, ImageDone):
            images[event.index] = event.image
        elif isinstance(event, Completed):
            recipes = [
                msgspec.structs.replace(recipe, row_class=image.row_class, backend=image.backend)
                for index, recipe in enumerate(recipes_of(job))
                for image in [images[index]]
            ]
            on_done(recipes, [images[index].sha256 for index in range(len(recipes))])
        elif isinstance(event, Failed):
            exit_bench(event.reason)

    return on_event


def pipeline_of(model: DiffusionModel) -> DiffusionPipeline:
    """diffusers' own pipeline of the model's components. Raises EngineError if there is none."""
    if not isinstance(model, LatentDiffusion):
        raise EngineError(f"The model {model.card.name} has no pipeline of diffusers.")
    return model.pipeline


class Diffusers:
    """diffusers' own pipelines, called one after another in a thread.

    The VAE is converted to the denoiser's dtype, with which diffusers loads it. In the engine,
    SDXL's may be in float32, and a pipeline casts its latents only if it upcasts the VAE itself.
    """

    def __init__(
        self,
        pipeline: DiffusionPipeline,
        *,
        together: bool = False,
        compiled: bool = False,
    ) -> None:
        mode = "equal jobs together" if together else "compiled" if compiled else "one by one"
        self.name = f"diffusers, {mode}"
        self._pipeline = pipeline
        self._denoiser, self._vae = denoiser_of(pipeline), pipeline.vae
        if self._vae.dtype != self._denoiser.dtype:
            pipeline.vae = copy.deepcopy(self._vae).to(self._denoiser.dtype)
        if compiled:
            compiled_denoiser = torch.compile(self._denoiser, mode="reduce-overhead")
            setattr(pipeline, denoiser_name(pipeline), compiled_denoiser)
        self._together = together
        self._waiting: list[tuple[JobWithFiles, OnDone]] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    @cached_property
    def _img2img(self) -> DiffusionPipeline:
        return AutoPipelineForImage2Image.from_pipe(self._pipeline)

    def submit(self, job: JobWithFiles, on_done: OnDone) -> None:
        """Queue a job, first in, first out."""
        with self._changed:
            self._waiting.append((job, on_done))
            self._changed.notify()

    def close(self) -> None:
        """Stop the thread and restore the pipeline."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        setattr(self._pipeline, denoiser_name(self._pipeline), self._denoiser)
        self._pipeline.vae = self._vae

    def _work(self) -> None:
        while batch := self._next_batch():
            recipes = [recipe for job, _ in batch for recipe in recipes_of(job.paint)]
            digests = self._paint(recipes, next(iter(batch[0][0].files.values()), None))
            for job, on_done in batch:
                on_done(recipes_of(job.paint), [digests.pop(0) for _ in job.paint.recipes])

    def _next_batch(self) -> list[tuple[JobWithFiles, OnDone]]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if not self._waiting:
                return []
            first = self._waiting[0][0].paint
            equal = [entry for entry in self._waiting if _is_batchable(entry[0].paint, first)]
            limit = max(1, MAX_BATCH // len(first.recipes))
            batch = equal[: limit if self._together else 1]
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
            self._pipeline.scheduler = make_scheduler(first.sampler, config)
            images = self._pipeline(**options, width=first.width, height=first.height).images
        else:
            self._img2img.scheduler = make_scheduler(first.sampler, config)
            with Image.open(io.BytesIO(source)) as image:
                init_image = resize_and_crop(image.convert("RGB"), first.width, first.height)
            images = self._img2img(**options, image=init_image, strength=first.strength).images
        return [pixels_sha256(image) for image in images]


def _is_batchable(a: Paint, b: Paint) -> bool:
    """Whether one call of a pipeline can paint both jobs."""
    plain = [msgspec.structs.replace(job.recipes[0], prompt="x", seed=0) for job in (a, b)]
    return plain[0] == plain[1] and len(a.recipes) == len(b.recipes)


def exit_bench(reason: object) -> None:
    """End the process: the engine's threads cannot raise an error in the main thread."""
    log.critical("The benchmark cannot continue: %s", reason)
    os._exit(1)


BACKENDS: Final[dict[str, Callable[[DiffusionModel], Backend]]] = {
    "serial": lambda model: Diffusers(pipeline_of(model)),
    "compiled": lambda model: Diffusers(pipeline_of(model), compiled=True),
    "together": lambda model: Diffusers(pipeline_of(model), together=True),
    "exact": lambda model: Engine(model, adaptive=False),
    "adaptive": lambda model: Engine(model, adaptive=True),
}
"""The backends by their names in `--backends`, in the order in which they are measured."""


def available_backends(device: Device) -> list[str]:
    """The names of the backends for a device: `compiled` needs a GPU."""
    return [name for name in BACKENDS if name != "compiled" or device.torch_device.type == "cuda"]
