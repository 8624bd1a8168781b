"""The images of diffusers' own pipelines, to compare the engine's images with."""

import copy
import json
from collections.abc import Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any, Final

import diffusers
import numpy
import torch
from diffusers import (
    AutoPipelineForImage2Image,
    DiffusionPipeline,
    DPMSolverMultistepScheduler,
)
from PIL import Image

from engine.bench.backends import pipeline_of
from engine.contract import Recipe
from engine.contract.samplers import SchedulerSpec
from engine.core.engine_core import EngineCore
from tests.engine_parts import engine_core

MAX_DIFFERENCE: Final = 2
"""Of 255, in any channel of any pixel."""


class SeededScheduler(DPMSolverMultistepScheduler):  # type: ignore[misc] # it has no types
    """Takes the noise of its steps from a generator. diffusers' pipelines for flow matching pass
    none, so their noise is that of torch's global generator, whatever the seed."""

    generator: torch.Generator
    """That of the pipeline's noise."""

    def step(
        self,
        model_output: torch.Tensor,
        timestep: torch.Tensor,
        sample: torch.Tensor,
        *,
        return_dict: bool = True,
    ) -> object:
        """As that of diffusers."""
        return super().step(
            model_output, timestep, sample, generator=self.generator, return_dict=return_dict
        )


def diffusers_image(
    recipe: Recipe,
    source: Image.Image | None = None,
    core: EngineCore | None = None,
    scheduler: Any = None,  # noqa: ANN401 - has no type
) -> Image.Image:
    """The image of diffusers' own pipeline for this recipe, with the core's model.

    `scheduler` is that of a model with flow matching.
    """
    pipeline = unchecked_pipeline(core or engine_core())
    pipeline.scheduler = scheduler or make_scheduler(
        recipe.sampler.scheduler, pipeline.scheduler.config
    )
    options: dict[str, Any] = {
        "prompt": recipe.prompt,
        "num_inference_steps": recipe.steps,
        "guidance_scale": recipe.guidance,
        "generator": torch.Generator("cpu").manual_seed(recipe.seed),
    }
    if recipe.clip_skip > 1:
        options["clip_skip"] = recipe.clip_skip - 1
        encoder = pipeline.text_encoder  # diffusers looks for a part that transformers 5 inlined
        encoder.text_model = SimpleNamespace(final_layer_norm=encoder.final_layer_norm)
    if recipe.negative:
        options["negative_prompt"] = recipe.negative
    if isinstance(scheduler, SeededScheduler):
        scheduler.generator = options["generator"]
    if source is None or scheduler is not None:
        options |= {"width": recipe.width, "height": recipe.height}
    if source is not None:
        options |= {"image": source, "strength": recipe.strength}
        pipeline = AutoPipelineForImage2Image.from_pipe(pipeline)
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline(**options).images[0]
    assert isinstance(image, Image.Image)
    return image


def make_scheduler(spec: SchedulerSpec, config: Mapping[str, object]) -> Any:  # noqa: ANN401 - has no type
    """The scheduler that diffusers makes."""
    return copy.deepcopy(
        _make_scheduler(spec.class_name, json.dumps(dict(config)), json.dumps(dict(spec.options)))
    )


@cache
def _make_scheduler(class_name: str, config: str, options: str) -> Any:  # noqa: ANN401 - has no type
    """Cached, because some schedulers take half a second."""
    return getattr(diffusers, class_name).from_config(json.loads(config), **json.loads(options))


def unchecked_pipeline(core: EngineCore) -> DiffusionPipeline:
    """diffusers' txt2img pipeline of the core's model, without a safety checker."""
    pipeline = pipeline_of(core.model)
    components = dict(pipeline.components)
    if "safety_checker" in components:
        components |= {"safety_checker": None, "requires_safety_checker": False}
    if "is_distilled" in pipeline.config:
        components["is_distilled"] = pipeline.config.is_distilled
    return type(pipeline)(**components)


def assert_alike(ours: Image.Image, theirs: Image.Image) -> None:
    """Assert that no channel of a pixel differs by more than MAX_DIFFERENCE, and that the image has
    several colours."""
    our_pixels, their_pixels = (numpy.asarray(image).astype(int) for image in (ours, theirs))
    assert our_pixels.shape == their_pixels.shape
    assert abs(our_pixels - their_pixels).max() <= MAX_DIFFERENCE
    assert their_pixels.std() > 4, "a flat image proves nothing"


def text_image(painter: DiffusionPipeline, recipe: Recipe) -> Image.Image:
    """The image that this pipeline paints from the recipe's prompt, with its sampler; without
    negative prompt."""
    painter.scheduler = make_scheduler(recipe.sampler.scheduler, painter.scheduler.config)
    image = painter(
        recipe.prompt,
        num_inference_steps=recipe.steps,
        guidance_scale=recipe.guidance,
        width=recipe.width,
        height=recipe.height,
        generator=torch.Generator("cpu").manual_seed(recipe.seed),
    ).images[0]
    assert isinstance(image, Image.Image)
    return image
