"""Parts of the engine with a tiny model, which is loaded once per test process."""

import io
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image, ImageDraw

from engine.contract import (
    Backend,
    Cancelled,
    Capture,
    Completed,
    Ending,
    Event,
    Failed,
    ImageDone,
    Paint,
    PaintedImage,
    Recipe,
    Sampler,
    Work,
    sha256,
)
from engine.core.engine_core import MAX_RUNNING, EngineCore
from engine.core.postprocess import FatalErrorHandler, Postprocessor
from engine.core.request import EventSink, Request
from engine.device import select_device
from engine.models import registry
from engine.models.base import Conditioning, DiffusionModel
from tests import tiny_model

IMG2IMG_STEPS = ((4, 1.0), (5, 0.5), (6, 0.35), (5, 0.99), (4, 0.01))
"""Steps and strengths, whose product is not always whole."""
INPUT_FILES: dict[str, bytes] = {}
"""The init images of all jobs that `job` has made."""


class Painted(NamedTuple):
    """A job that ended with Completed, and its images in the order of its recipes."""

    job: str
    pictures: tuple[PaintedImage, ...]
    seconds: float
    engine_seconds: float


def with_images(events: Sequence[Event]) -> Painted | Failed | Cancelled:
    """The ending of a job, with its images if it is Completed."""
    ending = events[-1]
    if not isinstance(ending, Completed):
        assert isinstance(ending, Ending), ending
        return ending
    images = sorted((event.index, event.image) for event in events if isinstance(event, ImageDone))
    assert [index for index, _ in images] == list(range(len(images)))
    pictures = tuple(image for _, image in images)
    return Painted(ending.job, pictures, ending.seconds, ending.engine_seconds)


def fresh_engine_core(
    threshold: float = tiny_model.NEVER, change: Callable[[Any], object] | None = None
) -> EngineCore:
    """An engine core whose safety checker flags images above this cosine.

    `change` may modify the pipeline before it is saved.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = tiny_model.save(Path(folder) / "tiny", threshold, change)
        return load_engine_core(str(path))


engine_core = cache(fresh_engine_core)
"""The same one for all tests: what changes its model (a warm-up does) needs a fresh one."""


def load_engine_core(name: str) -> EngineCore:
    """An engine core with the model of this name."""
    return new_engine_core(registry.load(name, select_device()))


def _ignore(_: object) -> None:
    pass


def new_engine_core(
    *models: DiffusionModel,
    max_running: int = MAX_RUNNING,
    preview_time_share: float = 1.0,
    on_device_lost: FatalErrorHandler = _ignore,
) -> EngineCore:
    """A new engine core for loaded models, by default the tiny one."""
    postprocessor = Postprocessor(preview_time_share, on_device_lost=on_device_lost)
    return EngineCore(models or [engine_core().model], postprocessor, max_running)


@contextmanager
def before_each_pass(core: EngineCore, hook: Callable[[torch.Tensor], object]) -> Iterator[None]:
    """Call `hook` with the prompt embeddings (rows, tokens, channels) of each forward pass."""
    predict = core.model.predict

    def hooked(
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        backend: Backend = Backend.TORCH,
    ) -> torch.Tensor:
        hook(conditioning["encoder_hidden_states"])
        return predict(latents, timesteps, conditioning, backend)

    core.model.predict = hooked  # type: ignore[method-assign] # the tests share the model
    try:
        yield
    finally:
        del core.model.predict


def recipe(core: EngineCore | None = None, **changes: Any) -> Recipe:  # noqa: ANN401 - any field
    """A quick recipe for the tiny model."""
    card = (core or engine_core()).model.card
    fields: dict[str, Any] = {
        "model": card.name,
        "revision": card.revision,
        "prompt": "a red house",
        "seed": 7,
        "steps": 4,
        "guidance": 5.0,
        "sampler": Sampler.EULER if Sampler.EULER in card.samplers else card.sampler,
        "width": 64,
        "height": 64,
        "row_class": 2,
    }
    return Recipe(**(fields | changes))


def job(*recipes: Work, **changes: Any) -> Paint:  # noqa: ANN401 - any of a job's fields
    """A job of these recipes, or of one; `source` is an init image."""
    fields: dict[str, Any] = {"job": "a", "attempt": 1, "recipes": recipes or (recipe(),)}
    if source := changes.pop("source", None):
        INPUT_FILES[sha256(source)] = source
        fields["inputs"] = (sha256(source),)
    if "previews" in changes:
        fields["capture"] = Capture(previews=changes.pop("previews"))
    return Paint(**(fields | changes))


def sketch(width: int = 64, height: int = 64) -> Image.Image:
    """A yellow disc over a blue ground, with soft and hard edges."""
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, height // 2, width, height), fill=(30, 60, 200))
    draw.ellipse((width // 4, height // 4, width // 2, height // 2), fill=(240, 200, 20))
    return image


def run_job(
    paint: Paint, core: EngineCore | None = None, emit: EventSink = _ignore
) -> Painted | Failed | Cancelled:
    """Run a job to its end, in this thread; returns its ending."""
    events: list[Event] = []
    has_ended = threading.Event()

    def on_event(event: Event) -> None:
        emit(event)
        events.append(event)
        if isinstance(event, Ending):
            has_ended.set()

    request, core = Request(paint, on_event, INPUT_FILES), core or engine_core()
    core.add_request(request)
    core.enlarger.thread.flush()
    while request in core.requests:
        core.tick()
    assert has_ended.wait(60)
    return with_images(events)


def painted_images(paint: Paint, core: EngineCore | None = None) -> tuple[PaintedImage, ...]:
    """Run a job that must succeed; returns its images."""
    painted = run_job(paint, core)
    assert isinstance(painted, Painted), painted
    return painted.pictures


def rendered_images(paint: Paint, core: EngineCore | None = None) -> list[Image.Image]:
    """Run a job that must succeed; returns its decoded images."""
    images = painted_images(paint, core)
    return [Image.open(io.BytesIO(image.png)).convert("RGB") for image in images]


def run_together(core: EngineCore, *jobs: Paint) -> list[Painted | Failed | Cancelled]:
    """Run jobs at the same time; returns their endings."""
    all_events: list[list[Event]] = [[] for _ in jobs]
    for paint, events in zip(jobs, all_events, strict=True):
        core.add_request(Request(paint, events.append, INPUT_FILES))
    core.enlarger.thread.flush()
    while core.requests:
        core.tick()
    core.postprocessor.flush()
    return [with_images(events) for events in all_events]


def digests(*recipes: Work) -> list[str]:
    """The digests of the images of these recipes, painted as one job."""
    return [image.sha256 for image in painted_images(job(*recipes))]


def failure_reason(paint: Paint, core: EngineCore | None = None) -> str:
    """Run a job that must fail; returns its reason."""
    failed = run_job(paint, core)
    assert isinstance(failed, Failed), failed
    return failed.reason
