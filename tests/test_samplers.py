"""Every sampler gives the pictures of diffusers' own pipelines."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import diffusers
import numpy
import pytest
import torch
from diffusers import (
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)
from PIL import Image

from engine.contract import Recipe, Sampler
from engine.contract.samplers import SchedulerSpec
from engine.core.engine_core import Painter
from engine.errors import InvalidJob
from engine.imaging.encode import png, sha256
from engine.samplers import course, longest
from tests.engine_parts import job, painter, pictures, recipe, sketch

README: Final = Path(__file__).parents[1] / "engine" / "README.md"
LEVELS: Final = 2
"""Maximum difference of two pictures, of 255."""
PIPELINES: Final[tuple[tuple[Any, Any], ...]] = (
    (StableDiffusionPipeline, StableDiffusionImg2ImgPipeline),
    (StableDiffusionXLPipeline, StableDiffusionXLImg2ImgPipeline),
)
"""txt2img and img2img of Stable Diffusion, and of SDXL."""


def of_diffusers(
    recipe: Recipe, source: Image.Image | None = None, by: Painter | None = None
) -> Image.Image:
    """The picture of diffusers' own pipeline for a recipe, with the engine's model."""
    parts = pipeline_parts(by or painter())
    spec = recipe.sampler.scheduler
    parts["scheduler"] = make_scheduler(spec, parts["scheduler"].config)
    options: dict[str, Any] = {
        "prompt": recipe.prompt,
        "negative_prompt": recipe.negative or None,
        "num_inference_steps": recipe.steps,
        "guidance_scale": recipe.guidance,
        "generator": torch.Generator("cpu").manual_seed(recipe.seed),
    }
    if source is None:
        options |= {"width": recipe.width, "height": recipe.height}
    else:
        options |= {"image": source, "strength": recipe.strength}
    classes = PIPELINES["text_encoder_2" in parts]
    pipeline = classes[source is not None](**parts)
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline(**options).images[0]
    assert isinstance(picture, Image.Image)
    return picture


def make_scheduler(spec: SchedulerSpec, config: Mapping[str, object]) -> Any:  # noqa: ANN401 - has no type
    """The scheduler that diffusers makes."""
    return getattr(diffusers, spec.class_name).from_config(config, **spec.options)


def pipeline_parts(by: Painter) -> dict[str, Any]:
    """The components of a painter's model, without a safety checker."""
    parts = dict(by.model.pipeline.components)
    if "safety_checker" in parts:
        parts |= {"safety_checker": None, "requires_safety_checker": False}
    return parts


def assert_alike(ours: Image.Image, theirs: Image.Image) -> None:
    """No channel of any pixel differs by more than LEVELS, and the pictures are not flat."""
    a, b = (numpy.asarray(picture).astype(int) for picture in (ours, theirs))
    assert a.shape == b.shape
    assert abs(a - b).max() <= LEVELS
    assert b.std() > 4, "a flat picture proves nothing"


@pytest.mark.parametrize("sampler", Sampler)
def test_a_picture_equals_that_of_the_pipeline(sampler: Sampler) -> None:
    """From noise, with guidance and a negative prompt, in each sampler."""
    expected = recipe(sampler=sampler, steps=6, negative="blue", guidance=6.0)
    assert_alike(pictures(job(expected))[0], of_diffusers(expected))


@pytest.mark.parametrize("strength", [0.35, 0.8, 1.0])
@pytest.mark.parametrize("sampler", Sampler)
def test_an_img2img_picture_equals_that_of_the_pipeline(sampler: Sampler, strength: float) -> None:
    """For several strengths, in each sampler."""
    source = sketch()
    data = png(source)
    expected = recipe(sampler=sampler, steps=6, source=sha256(data), strength=strength)
    assert_alike(pictures(job(expected, source=data))[0], of_diffusers(expected, source))


@pytest.mark.parametrize("sampler", Sampler)
def test_batched_pictures_equal_those_of_the_pipeline(sampler: Sampler) -> None:
    """The pipeline paints them one by one."""
    recipes = [recipe(sampler=sampler, steps=3, seed=seed, row_class=8) for seed in range(90, 94)]
    for ours, unbatched in zip(pictures(job(*recipes)), recipes, strict=True):
        assert_alike(ours, of_diffusers(unbatched))


@pytest.mark.parametrize("guidance", [0.0, 1.0, 1.5, 30.0])
def test_any_guidance_has_the_effect_of_the_pipeline(guidance: float) -> None:
    """1 and less is no guidance; 30 is the maximum."""
    expected = recipe(guidance=guidance, negative="green, dull", steps=6)
    assert_alike(pictures(job(expected))[0], of_diffusers(expected))


@pytest.mark.parametrize(("width", "height"), [(64, 128), (120, 72), (200, 64)])
def test_any_size_equals_that_of_the_pipeline(width: int, height: int) -> None:
    """Also if it is not square or not a multiple of 64."""
    expected = recipe(width=width, height=height, steps=3)
    assert_alike(pictures(job(expected))[0], of_diffusers(expected))


def test_a_long_prompt_is_truncated_like_the_pipeline_does() -> None:
    """At the token limit of the text encoder."""
    expected = recipe(prompt="a very long story of a house " * 20, negative="no end " * 60)
    assert_alike(pictures(job(expected))[0], of_diffusers(expected))


@pytest.mark.parametrize("steps", [1, 2, 25])
@pytest.mark.parametrize("sampler", Sampler)
def test_any_number_of_steps_equals_the_pipeline(sampler: Sampler, steps: int) -> None:
    """From a single step to many."""
    expected = recipe(sampler=sampler, steps=steps)
    assert_alike(pictures(job(expected))[0], of_diffusers(expected))


@pytest.mark.parametrize("sampler", [Sampler.LCM, Sampler.TCD])
def test_distilled_samplers_limit_the_steps(sampler: Sampler) -> None:
    """To those of the teacher model."""
    assert longest(painter().model.scheduler_config)[sampler] == 50
    with pytest.raises(InvalidJob, match="cannot take 51 steps"):
        course(recipe(sampler=sampler, steps=51), painter().model.scheduler_config)


def test_the_samplers_are_the_documented_schedulers() -> None:
    """The table in engine/README.md has each sampler with its scheduler and options."""
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.*?) ?\|$", README.read_text(), re.MULTILINE)
    assert rows == [
        (
            sampler.value,
            sampler.scheduler.class_name,
            ", ".join(f"`{name}={value!r}`" for name, value in sampler.scheduler.options.items()),
        )
        for sampler in Sampler
    ]


@pytest.mark.parametrize("sampler", Sampler)
def test_a_sampler_has_the_order_and_options_of_its_scheduler(sampler: Sampler) -> None:
    """The order is diffusers' own; from_config would ignore an option that it does not know."""
    scheduler = make_scheduler(sampler.scheduler, painter().model.scheduler_config)
    assert scheduler.order == sampler.scheduler.order
    for name, value in sampler.scheduler.options.items():
        assert scheduler.config[name] == value
