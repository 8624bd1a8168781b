"""The engine's parts with a tiny model, loaded once for all tests of a process."""

import io
import queue
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw

from engine.contract import (
    Cancelled,
    Ending,
    Event,
    Failed,
    Paint,
    Painted,
    PaintedImage,
    Recipe,
    Sampler,
)
from engine.core.engine_core import AT_ONCE, Painter
from engine.core.postprocess import Finisher
from engine.core.request import Report, Ticket
from engine.device import select_device
from engine.models import registry
from engine.models.base import PaintModel, Words
from tests import tiny_model


@cache
def painter(
    threshold: float = tiny_model.NEVER, change: Callable[[Any], object] | None = None
) -> Painter:
    """A painter whose safety checker flags pictures above this cosine."""
    with tempfile.TemporaryDirectory() as place:
        folder = tiny_model.save(Path(place) / "tiny", threshold, change)
        return loaded(str(folder))


def loaded(name: str) -> Painter:
    """A painter with the model of this name."""
    model = registry.load(name, select_device())
    return at_work(model)


def at_work(*models: PaintModel, at_once: int = AT_ONCE, previews_share: float = 1.0) -> Painter:
    """A painter of its own for models that are loaded already."""
    return Painter(models or [painter().model], Finisher(previews_share), at_once)


@contextmanager
def predicting(by: Painter, act: Callable[[torch.Tensor], object]) -> Iterator[None]:
    """Before each forward pass, its texts (rows, tokens, channels) go through `act`."""
    predict = by.model.predict

    def acting(latents: torch.Tensor, timesteps: torch.Tensor, words: Words) -> torch.Tensor:
        act(words["encoder_hidden_states"])
        return predict(latents, timesteps, words)

    by.model.predict = acting  # type: ignore[method-assign]
    try:
        yield
    finally:
        del by.model.predict


def recipe(by: Painter | None = None, **changes: Any) -> Recipe:  # noqa: ANN401 - any field
    """A quick recipe for the tiny model."""
    card = (by or painter()).model.card
    fields: dict[str, Any] = {
        "model": card.name,
        "revision": card.revision,
        "prompt": "a red house",
        "seed": 7,
        "steps": 4,
        "guidance": 5.0,
        "sampler": Sampler.EULER,
        "width": 64,
        "height": 64,
        "row_class": 2,
    }
    return Recipe(**(fields | changes))


def job(*recipes: Recipe, **changes: Any) -> Paint:  # noqa: ANN401 - any of a job's fields
    """A job of these recipes, or of one."""
    fields: dict[str, Any] = {"job": "a", "attempt": 1, "recipes": recipes or (recipe(),)}
    return Paint(**(fields | changes))


def sketch(width: int = 64, height: int = 64) -> Image.Image:
    """A yellow disc over a blue ground, with soft and hard edges."""
    picture = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, height // 2, width, height), fill=(30, 60, 200))
    draw.ellipse((width // 4, height // 4, width // 2, height // 2), fill=(240, 200, 20))
    return picture


def ending(work: Paint, by: Painter | None = None, report: Report = lambda _: None) -> Ending:
    """Paint this job and hear how it ended."""
    endings: queue.Queue[Ending] = queue.Queue()

    def hear(event: Event) -> None:
        report(event)
        if isinstance(event, Painted | Failed | Cancelled):
            endings.put(event)

    ticket, by = Ticket(work, hear), by or painter()
    by.admit(ticket)
    while ticket in by.tickets:
        by.tick()
    return endings.get(timeout=60)


def paintings(work: Paint, by: Painter | None = None) -> tuple[PaintedImage, ...]:
    """The finished pictures of a job."""
    painted = ending(work, by)
    assert isinstance(painted, Painted), painted
    return painted.pictures


def pictures(work: Paint, by: Painter | None = None) -> list[Image.Image]:
    """Paint this job and look at what came."""
    found = paintings(work, by)
    return [Image.open(io.BytesIO(picture.png)).convert("RGB") for picture in found]
