"""Tiny models with controls, and the images of diffusers' pipelines for controls."""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    ControlNetModel,
    ControlNetUnionModel,
    MultiAdapter,
    T2IAdapter,
)
from diffusers.models.controlnets import MultiControlNetModel
from PIL import Image, ImageDraw

from engine.bench.backends import pipeline_of
from engine.contract import Control, Recipe, sha256
from engine.core.engine_core import EngineCore
from engine.weights.controls import CONTROLS_VARIABLE
from tests.diffusers_pipeline import make_scheduler
from tests.engine_parts import INPUT_FILES, job, load_engine_core, rendered_images
from tests.engine_parts import recipe as plain_recipe
from tests.samples import encoded


@contextmanager
def controls_setting(pairs: Sequence[tuple[str, Path]]) -> Iterator[None]:
    """In the block, IMAGINE_CONTROLS has these kinds and folders."""
    before = os.environ.get(CONTROLS_VARIABLE)
    os.environ[CONTROLS_VARIABLE] = ",".join(f"{kind}={folder}" for kind, folder in pairs)
    try:
        yield
    finally:
        os.environ.pop(CONTROLS_VARIABLE)
        if before is not None:
            os.environ[CONTROLS_VARIABLE] = before


def controlled_core(model: Path, *pairs: tuple[str, Path]) -> EngineCore:
    """An engine core with a model and controls."""
    with controls_setting(pairs):
        return load_engine_core(str(model))


def control_sketch(nth: int = 0, side: int = 64) -> Image.Image:
    """Lines and colours that are different for each number."""
    image = Image.new("RGB", (side, side), (20 * nth, 0, 60))
    draw = ImageDraw.Draw(image)
    draw.ellipse((4 + 5 * nth, 8, side - 12, side - 8 - 4 * nth), outline="white", width=3)
    draw.line((0, 9 * nth, side, side - 7 * nth), fill=(255, 200, 40), width=4)
    return image


def stored(image: Image.Image) -> str:
    """The digest of an input image that the jobs of tests have."""
    png = encoded(image)
    INPUT_FILES[sha256(png)] = png
    return sha256(png)


def control(core: EngineCore, kind: str, image: Image.Image, **options: Any) -> Control:  # noqa: ANN401 - any field
    """A control of the core's model."""
    return core.model.card.control(kind, stored(image), **options)


def recipe(core: EngineCore, *controls: Control, **changes: object) -> Recipe:
    """A quick recipe with these controls."""
    return plain_recipe(core, controls=controls, **changes)


def painted(core: EngineCore, *recipes: Recipe) -> list[Image.Image]:
    """The images of recipes that are painted as one job."""
    digests = dict.fromkeys(digest for each in recipes for digest in each.images)
    return rendered_images(job(*recipes, inputs=tuple(digests)), core)


def theirs(
    core: EngineCore,
    recipe: Recipe,
    pipeline_class: Any,  # noqa: ANN401 - of diffusers
    **options: Any,  # noqa: ANN401 - likewise
) -> Image.Image:
    """The image of a pipeline of this class. `options` are its components and its arguments."""
    ours = pipeline_of(core.model)
    components = dict(ours.components)
    if "safety_checker" in components:
        components |= {"safety_checker": None, "requires_safety_checker": False}
    parts = {name: options.pop(name) for name in ("controlnet", "adapter") if name in options}
    present = {name: part for name, part in components.items() if part is not None}
    if "safety_checker" in components:
        present["safety_checker"] = None
    if "strength" not in options:
        options |= {"width": recipe.width, "height": recipe.height}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of what older pipelines do themselves
        pipeline = pipeline_class(**{"feature_extractor": None} | present, **parts)
        pipeline.scheduler = make_scheduler(recipe.sampler.scheduler, ours.scheduler.config)
        pipeline.set_progress_bar_config(disable=True)
        image = pipeline(
            prompt=recipe.prompt,
            negative_prompt=recipe.negative or None,
            num_inference_steps=recipe.steps,
            guidance_scale=recipe.guidance,
            generator=torch.Generator("cpu").manual_seed(recipe.seed),
            **options,
        ).images[0]
    assert isinstance(image, Image.Image)
    return image


def control_net(*folders: Path) -> Any:  # noqa: ANN401 - a network of diffusers
    """The ControlNet, or the ControlNets, in these folders."""
    nets = [ControlNetModel.from_pretrained(folder) for folder in folders]
    return nets[0] if len(nets) == 1 else MultiControlNetModel(nets)


def union(folder: Path) -> Any:  # noqa: ANN401 - a network of diffusers
    """The ControlNet-Union in this folder."""
    return ControlNetUnionModel.from_pretrained(folder)


def adapter(*folders: Path) -> Any:  # noqa: ANN401 - a network of diffusers
    """The T2I-Adapter, or the T2I-Adapters, in these folders."""
    adapters = [T2IAdapter.from_pretrained(folder) for folder in folders]
    return adapters[0] if len(adapters) == 1 else MultiAdapter(adapters)
