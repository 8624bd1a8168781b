"""Compare the engine's pictures with those of diffusers' own pipelines on the same device."""

import io
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

import numpy
import torch
from diffusers import DiffusionPipeline, ModelMixin
from numpy.typing import NDArray
from PIL import Image

from engine.bench.backends import pipeline_of
from engine.bench.suite.painting import job, paint, recipe
from engine.bench.suite.report import Check
from engine.contract import Recipe, Sampler
from engine.errors import EngineError
from engine.models.base import DiffusionModel
from engine.models.loading import denoiser_of
from engine.schedulers import make_scheduler

MAX_LEVELS: Final = 2
"""In float32: of 255, in any channel of any pixel."""
ROUNDING_FACTOR: Final = 2.0
ROUNDING_MARGIN: Final = 0.5
"""In levels of 255."""
BOUND: Final = (
    f"in float32 no level of 255 differs by more than {MAX_LEVELS}; in float16 the mean difference "
    f"is at most {ROUNDING_FACTOR:g} times that between diffusers in float16 and in float32, plus "
    f"{ROUNDING_MARGIN:g}"
)
STOCHASTIC: Final = frozenset(
    {
        Sampler.DDPM,
        Sampler.EULER_A,
        Sampler.DPM2_A,
        Sampler.DPMPP_2M_SDE,
        Sampler.LCM,
        Sampler.TCD,
    }
)
"""They draw noise at each step, which depends on the precision. So their pictures in float16 and
float32 cannot be compared; the bound is that of the sampler with the largest difference."""
Pixels = NDArray[numpy.int16]


@dataclass(frozen=True)
class Differences:
    """Between two pictures, in levels of 255."""

    largest: int
    mean: float

    @classmethod
    def between(cls, a: Pixels, b: Pixels) -> "Differences":
        """Of two pictures of one size."""
        levels = abs(a - b)
        return cls(int(levels.max()), round(float(levels.mean()), 4))


class Rounding:
    """How far diffusers' pictures in the model's precision are from those in float32."""

    def __init__(self, model: DiffusionModel) -> None:
        self._model = model
        self._exact = diffusers_pipeline(model, torch.float32)
        self._largest = 0.0

    def of(self, recipe: Recipe, rounded: Pixels) -> float:
        """The mean difference in levels; for STOCHASTIC samplers, the largest one so far."""
        if recipe.sampler not in STOCHASTIC:
            with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
                exact = diffusers_pixels(self._exact, self._model, recipe)
            mean = Differences.between(rounded, exact).mean
            self._largest = max(self._largest, mean)
            return mean
        return self._largest


def check_parity(model: DiffusionModel, samplers: Sequence[Sampler], steps: int) -> Iterator[Check]:
    """A picture of each sampler; those that are not STOCHASTIC first."""
    is_float32 = model.device.dtype == torch.float32
    rounding = None if is_float32 else Rounding(model)
    pipeline = diffusers_pipeline(model, model.device.dtype)
    usable = [sampler for sampler in samplers if sampler in model.card.samplers]
    for sampler in sorted(usable, key=STOCHASTIC.__contains__):
        target = recipe(model, sampler=sampler, steps=steps)
        theirs = diffusers_pixels(pipeline, model, target)
        difference = Differences.between(engine_pixels(model, target), theirs)
        values: dict[str, Any] = {"max": difference.largest, "mean": difference.mean}
        if rounding is None:
            passed = difference.largest <= MAX_LEVELS
        else:
            values["rounding"] = rounding.of(target, theirs)
            limit = ROUNDING_FACTOR * values["rounding"] + ROUNDING_MARGIN
            passed = difference.mean <= limit
        values["contrast"] = round(float(theirs.std()), 1)
        yield Check(subject=f"{sampler}", passed=passed, values=values)


def engine_pixels(model: DiffusionModel, recipe: Recipe) -> Pixels:
    """The engine's picture. Raises EngineError if there is none."""
    [result] = paint([model], [job(recipe)])
    image = result.images.get(0)
    if image is None or not image.png:
        raise EngineError(f"The picture was not painted: {result.ending}, {result.digests}.")
    with Image.open(io.BytesIO(image.png)) as picture:
        return _pixels(picture)


def diffusers_pixels(pipeline: DiffusionPipeline, model: DiffusionModel, recipe: Recipe) -> Pixels:
    """diffusers' picture. The start noise is drawn in the precision of the model."""
    pipeline.scheduler = make_scheduler(recipe.sampler, model.scheduler_config)
    generator = torch.Generator("cpu").manual_seed(recipe.seed)
    shape = model.latent_shape(recipe.width, recipe.height)
    latents = torch.randn(shape, generator=generator, dtype=model.device.dtype)
    images = pipeline(
        prompt=recipe.prompt,
        negative_prompt=recipe.negative or None,
        num_inference_steps=recipe.steps,
        guidance_scale=recipe.guidance,
        width=recipe.width,
        height=recipe.height,
        latents=latents.to(model.device.torch_device, denoiser_of(pipeline).dtype),
        generator=generator,
    ).images
    return _pixels(images[0])


def diffusers_pipeline(model: DiffusionModel, dtype: torch.dtype) -> DiffusionPipeline:
    """A pipeline of diffusers with copies of the networks, in which nothing of the engine is."""
    pipeline = pipeline_of(model)
    components = {
        name: _copy(part, model, dtype) if isinstance(part, torch.nn.Module) else part
        for name, part in pipeline.components.items()
    }
    if "safety_checker" in components:
        components |= {"safety_checker": None, "requires_safety_checker": False}
    copied = type(pipeline)(**components)
    copied.set_progress_bar_config(disable=True)
    return copied


def _copy(network: torch.nn.Module, model: DiffusionModel, dtype: torch.dtype) -> torch.nn.Module:
    device = model.device.torch_device
    if not isinstance(network, ModelMixin):  # of transformers, which the engine does not change
        return deepcopy(network).to(dtype)
    with device:
        copied: torch.nn.Module = type(network).from_config(network.config).to(dtype)
    copied.load_state_dict(network.state_dict())
    return copied.eval().requires_grad_(requires_grad=False)


def _pixels(image: Image.Image) -> Pixels:
    return numpy.asarray(image.convert("RGB")).astype(numpy.int16)
