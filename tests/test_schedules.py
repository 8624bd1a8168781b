"""The bits of an image depend on its recipe alone, in hundreds of random schedules of jobs."""

import random
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.contract import Change, Img2Img, Paint, Recipe, Sampler, Subseed, sha256
from engine.contract.images.encode import encode_png
from engine.contract.samplers import DIFFUSION_SAMPLERS
from engine.core.engine_core import EngineCore
from engine.core.postprocess import Postprocessor
from engine.core.request import Request, RunningImage
from tests import tiny_model
from tests.engine_parts import load_engine_core, recipe, sketch

SCHEDULES = 500
"""Each pair of recipes meets about three times."""
PARTS = 10
"""Number of tests that share the schedules."""
SKETCH = encode_png(sketch())
CHANGES: list[dict[str, Any]] = [
    {"prompt": "a boat"},
    {"negative": "blue", "guidance": 3.0},
    {"guidance": 1.0},
    {"sampler": Sampler.HEUN},
    {"sampler": Sampler.DPMPP_2M},
]


class LatentsRecorder(Postprocessor):
    """A postprocessor that stores final latents instead of decoding them, which is faster."""

    def __init__(self) -> None:
        super().__init__()
        self.latents: dict[Request, dict[int, torch.Tensor]] = {}

    def postprocess(self, image: RunningImage) -> None:
        """Store the latents of an image, by its index."""
        self.latents.setdefault(image.request, {})[image.index] = image.state.latents

    def render_preview(self, request: Request) -> None:
        """There are no previews."""


@cache
def model_core() -> EngineCore:
    """An engine core whose model takes little time."""
    with tempfile.TemporaryDirectory() as folder:
        tiny_model.save(Path(folder), unet=tiny_model.SHALLOW_UNET)
        return load_engine_core(folder)


def recording_core() -> tuple[EngineCore, LatentsRecorder]:
    """An engine core, and the postprocessor that records its latents."""
    recorder = LatentsRecorder()
    return EngineCore([model_core().model], recorder), recorder


def random_recipe(rng: random.Random) -> Recipe:
    """A recipe with random sampler, size, row class, steps and guidance; one in three has an init
    image."""
    img2img: dict[str, Any] = {"source": Img2Img(sha256(SKETCH), rng.choice([0.5, 1.0]))}
    variation: dict[str, Any] = {"subseeds": (Subseed(3, 0.2),)}
    changed: dict[str, Any] = {"changes": (Change(step=1, **rng.choice(CHANGES)),)}
    return recipe(
        model_core(),
        sampler=rng.choice(DIFFUSION_SAMPLERS),
        steps=rng.choice([2, 2, 3]),
        width=rng.choice([64, 72]),
        row_class=rng.choice([2, 8, 8]),
        guidance=rng.choice([1.0, 5.0, 5.0]),
        prompt=rng.choice(["a boat", "a red house", "night"]),
        negative=rng.choice(["", "grey"]),
        seed=rng.randrange(100),
        **(img2img if rng.random() < 0.3 else changed if rng.random() < 0.3 else {}),
        **(variation if rng.random() < 0.3 else {}),
    )


@cache
def recipes() -> tuple[Recipe, ...]:
    """The recipes of all schedules; they are so few that each is run beside all others."""
    rng = random.Random(12)
    return tuple(random_recipe(rng) for _ in range(48))


@cache
def latents_alone(recipe: Recipe) -> torch.Tensor:
    """The latents of an image that is painted alone."""
    core, recorder = recording_core()
    request = add_request(core, [recipe])
    while core.requests:
        core.tick()
    core.close()
    return recorder.latents[request][0]


def add_request(core: EngineCore, recipes: Sequence[Recipe]) -> Request:
    """Add a job of these recipes."""
    files = {sha256(SKETCH): SKETCH}
    paint = Paint(job="a", attempt=1, recipes=tuple(recipes), inputs=tuple(files))
    request = Request(paint, lambda _: None, files)
    core.add_request(request)
    return request


@pytest.mark.parametrize("part", range(PARTS))
def test_other_jobs_change_no_bit(part: int) -> None:
    """Jobs are added and cancelled between ticks, and all latents equal those of single images."""
    finished_images = 0
    for schedule in range(SCHEDULES // PARTS):
        rng = random.Random(f"{part}/{schedule}")
        core, recorder = recording_core()
        unsent_jobs = rng.randint(2, 3)
        while unsent_jobs or core.requests:
            if unsent_jobs and rng.random() < 0.5:
                add_request(core, rng.choices(recipes(), k=rng.choice([1, 1, 2, 3])))
                unsent_jobs -= 1
            if core.requests and rng.random() < 0.05:
                rng.choice(core.requests).request_cancel()
            core.tick()
        core.close()
        for request, all_latents in recorder.latents.items():
            for index, latents in all_latents.items():
                image_recipe = request.job.recipes[index]
                assert torch.equal(latents, latents_alone(image_recipe)), image_recipe
                finished_images += 1
    assert finished_images > SCHEDULES // PARTS
