"""Every sampler paints what diffusers' own pipelines paint."""

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
"""Of 255: how far apart two pictures may be anywhere."""
PIPELINES: Final[tuple[tuple[Any, Any], ...]] = (
    (StableDiffusionPipeline, StableDiffusionImg2ImgPipeline),
    (StableDiffusionXLPipeline, StableDiffusionXLImg2ImgPipeline),
)
"""From noise, and from a sketch; of Stable Diffusion, and of SDXL."""


def of_diffusers(
    wanted: Recipe, source: Image.Image | None = None, by: Painter | None = None
) -> Image.Image:
    """What diffusers' own pipeline paints for this recipe with that painter's model."""
    parts = pipeline_parts(by or painter())
    spec = wanted.sampler.scheduler
    parts["scheduler"] = make_scheduler(spec, parts["scheduler"].config)
    options: dict[str, Any] = {
        "prompt": wanted.prompt,
        "negative_prompt": wanted.negative or None,
        "num_inference_steps": wanted.steps,
        "guidance_scale": wanted.guidance,
        "generator": torch.Generator("cpu").manual_seed(wanted.seed),
    }
    if source is None:
        options |= {"width": wanted.width, "height": wanted.height}
    else:
        options |= {"image": source, "strength": wanted.strength}
    kinds = PIPELINES["text_encoder_2" in parts]
    pipeline = kinds[source is not None](**parts)
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
    """No channel of any pixel is more than LEVELS apart, and there is something to compare."""
    one, two = (numpy.asarray(picture).astype(int) for picture in (ours, theirs))
    assert one.shape == two.shape
    assert abs(one - two).max() <= LEVELS
    assert two.std() > 4, "a flat picture proves nothing"


@pytest.mark.parametrize("sampler", Sampler)
def test_a_picture_is_what_the_pipeline_paints(sampler: Sampler) -> None:
    """From noise, with guidance and a negative prompt, in each sampler."""
    wanted = recipe(sampler=sampler, steps=6, negative="blue", guidance=6.0)
    assert_alike(pictures(job(wanted))[0], of_diffusers(wanted))


@pytest.mark.parametrize("strength", [0.35, 0.8, 1.0])
@pytest.mark.parametrize("sampler", Sampler)
def test_a_painted_sketch_is_what_the_pipeline_paints(sampler: Sampler, strength: float) -> None:
    """From a sketch, in each sampler."""
    source = sketch()
    data = png(source)
    wanted = recipe(sampler=sampler, steps=6, source=sha256(data), strength=strength)
    assert_alike(pictures(job(wanted, source=data))[0], of_diffusers(wanted, source))


@pytest.mark.parametrize("sampler", Sampler)
def test_a_grid_is_what_the_pipeline_paints(sampler: Sampler) -> None:
    """Four pictures that share their batches are those that the pipeline paints one by one."""
    wanted = [recipe(sampler=sampler, steps=3, seed=seed, row_class=8) for seed in range(90, 94)]
    for ours, each in zip(pictures(job(*wanted)), wanted, strict=True):
        assert_alike(ours, of_diffusers(each))


@pytest.mark.parametrize("guidance", [0.0, 1.0, 1.5, 30.0])
def test_any_guidance_is_what_the_pipeline_does(guidance: float) -> None:
    """Guidance of 1 or less is none at all; 30 is a lot."""
    wanted = recipe(guidance=guidance, negative="green, dull", steps=6)
    assert_alike(pictures(job(wanted))[0], of_diffusers(wanted))


@pytest.mark.parametrize(("width", "height"), [(64, 128), (120, 72), (200, 64)])
def test_any_size_is_what_the_pipeline_paints(width: int, height: int) -> None:
    """Pictures need not be square, nor of whole blocks of 64 pixels."""
    wanted = recipe(width=width, height=height, steps=3)
    assert_alike(pictures(job(wanted))[0], of_diffusers(wanted))


def test_a_long_prompt_is_cut_where_the_pipeline_cuts_it() -> None:
    """What the text encoder cannot read is not read."""
    wanted = recipe(prompt="a very long story of a house " * 20, negative="no end " * 60)
    assert_alike(pictures(job(wanted))[0], of_diffusers(wanted))


@pytest.mark.parametrize("steps", [1, 2, 25])
@pytest.mark.parametrize("sampler", Sampler)
def test_any_number_of_steps_is_what_the_pipeline_paints(sampler: Sampler, steps: int) -> None:
    """One step is enough for every sampler, and many are not too many."""
    wanted = recipe(sampler=sampler, steps=steps)
    assert_alike(pictures(job(wanted))[0], of_diffusers(wanted))


@pytest.mark.parametrize("sampler", [Sampler.LCM, Sampler.TCD])
def test_a_sampler_says_how_many_steps_it_takes(sampler: Sampler) -> None:
    """Those that walk a teacher's steps cannot take more of them than there are."""
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
