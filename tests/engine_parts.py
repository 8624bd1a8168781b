"""The engine's parts with a tiny model, loaded once for all tests of a process."""

import io
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from engine import hardware, models, previews
from engine.contract import Paint, Recipe, Sampler
from engine.painter import Painter
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
    model = models.load(name, hardware.prepare())
    return Painter(model, previews.fitted(model))


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


def pictures(work: Paint, by: Painter | None = None) -> list[Image.Image]:
    """Paint this job and look at what came."""
    painted = (by or painter()).paint(work, lambda _: None, lambda: False)
    return [Image.open(io.BytesIO(picture.png)).convert("RGB") for picture in painted.pictures]
