"""FLUX.2 klein paints what diffusers' own pipelines paint."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, Flux2KleinInpaintPipeline
from PIL import Image

from engine.__main__ import main
from engine.contract import Capture, Img2Img, PromptFormat, Recipe, Sampler, StepRounding, sha256
from engine.contract.images.encode import encode_png
from engine.core.engine_core import EngineCore
from tests import tiny_flow_models
from tests.diffusers_pipeline import assert_alike, diffusers_image, unchecked_pipeline
from tests.engine_parts import (
    IMG2IMG_STEPS,
    Painted,
    failure_reason,
    job,
    load_engine_core,
    painted_images,
    recipe,
    rendered_images,
    run_job,
    sketch,
)

LONG: Final = "a small red house between two old trees, at night, with stars and a full moon " * 3


@cache
def core(*, is_distilled: bool = True) -> EngineCore:
    """An engine core with a tiny FLUX.2 klein."""
    with TemporaryDirectory() as folder:
        path = tiny_flow_models.save_klein(Path(folder) / "tiny", is_distilled=is_distilled)
        return load_engine_core(str(path))


def klein_recipe(model: EngineCore | None = None, **changes: Any) -> Recipe:  # noqa: ANN401 - any of a recipe's fields
    """A quick recipe."""
    return recipe(model or core(), **({"guidance": 1.0} | changes))


def scheduler() -> FlowMatchEulerDiscreteScheduler:
    """The scheduler of diffusers with the tiny model's noise schedule."""
    return FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"steps": 5, "width": 96, "prompt": LONG},
        {"guidance": 5.0, "negative": "blue"},
    ],
)
def test_txt2img_equals_the_pipeline(changes: dict[str, Any]) -> None:
    """A distilled model takes neither guidance nor a negative prompt."""
    run = klein_recipe(**changes)
    plain = klein_recipe(**(changes | {"negative": ""}))
    theirs = diffusers_image(plain, None, core(), scheduler())
    assert_alike(rendered_images(job(run), core())[0], theirs)


def test_guidance_of_a_model_that_is_not_distilled_equals_the_pipeline() -> None:
    """The pipeline's negative prompt is empty."""
    model = core(is_distilled=False)
    run = klein_recipe(model, guidance=4.0)
    theirs = diffusers_image(run, None, model, scheduler())
    assert_alike(rendered_images(job(run), model)[0], theirs)


@pytest.mark.parametrize(("steps", "strength"), IMG2IMG_STEPS)
def test_img2img_equals_the_inpainting_pipeline(steps: int, strength: float) -> None:
    """The mask is the whole picture; the sketch is a reference picture too. It rounds the steps
    that are run up."""
    source = sketch()
    data = encode_png(source)
    init_image = Img2Img(sha256(data), strength, core().model.card.rounding)
    run = klein_recipe(source=init_image, steps=steps)
    pipeline = Flux2KleinInpaintPipeline(**unchecked_pipeline(core()).components, is_distilled=True)
    pipeline.scheduler = scheduler()
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        prompt=run.prompt,
        image=source,
        mask_image=Image.new("L", source.size, 255),
        strength=strength,
        width=64,
        height=64,
        num_inference_steps=run.steps,
        generator=torch.Generator("cpu").manual_seed(run.seed),
    ).images[0]
    assert_alike(rendered_images(job(run, source=data), core())[0], theirs)


def test_a_sketch_that_is_all_painted_over_is_a_reference_picture() -> None:
    """As in diffusers' pipeline for edits by words."""
    source = sketch()
    data = encode_png(source)
    run = klein_recipe(prompt="make the disc red", source=Img2Img(sha256(data), 1.0))
    pipeline = unchecked_pipeline(core())
    pipeline.scheduler = scheduler()
    theirs = pipeline(
        prompt=run.prompt,
        image=source,
        num_inference_steps=run.steps,
        guidance_scale=1.0,
        generator=torch.Generator("cpu").manual_seed(run.seed),
    ).images[0]
    assert_alike(rendered_images(job(run, source=data), core())[0], theirs)


def test_other_images_change_no_bit() -> None:
    """Images with other steps, samplers and prompts share batches; those with sketches have their
    own."""
    data = encode_png(sketch())
    source = Img2Img(sha256(data), 0.5)
    grid = [
        klein_recipe(row_class=4, prompt=LONG),
        klein_recipe(row_class=4, steps=6, sampler=Sampler.DPMPP_2M),
        klein_recipe(row_class=4, steps=5, sampler=Sampler.DPMPP_2M_SDE),
        klein_recipe(row_class=4, source=source),
        klein_recipe(row_class=4, source=source, prompt="a boat", seed=3),
        klein_recipe(row_class=4, source=Img2Img(sha256(data), 0.35, StepRounding.UP), steps=6),
    ]
    alone = [painted_images(job(single, source=data), core())[0].sha256 for single in grid]
    together = painted_images(job(*grid, source=data), core())
    assert [image.sha256 for image in together] == alone


def test_weights_are_left_out_of_prompts() -> None:
    """Its text encoder is a language model."""
    plain = klein_recipe(prompt="a red house")
    weighted = klein_recipe(prompt="a (red:1.3) [house]", prompt_format=PromptFormat.A1111)
    digests = {image.sha256 for image in painted_images(job(plain, weighted), core())}
    assert len(digests) == 1


def test_what_does_not_suit_it_is_refused() -> None:
    """The sentences say what does."""
    assert "Choose one of: dpmpp_2m, dpmpp_2m_sde, unipc, deis, flow_euler" in failure_reason(
        job(klein_recipe(sampler=Sampler.EULER_A)), core()
    )
    assert "multiples of 16" in failure_reason(job(klein_recipe(height=72)), core())
    card = core().model.card
    with pytest.raises(ValueError, match="low guidance: choose at most 1, best 1"):
        card.check_distillation(klein_recipe(guidance=5.0))
    with pytest.raises(ValueError, match="choose at most 12, best 4"):
        card.check_distillation(klein_recipe(steps=20))


def test_its_steps_can_be_shown() -> None:
    """A job has a strip of frames."""
    painted = run_job(job(klein_recipe(), capture=Capture(strip=2)), core())
    assert isinstance(painted, Painted)


@pytest.mark.parametrize(
    ("is_distilled", "defaults"),
    [
        (True, {"steps": 4, "guidance": 1.0, "sampler": "flow_euler"}),
        (False, {"steps": 50, "guidance": 4.0, "sampler": "flow_euler"}),
    ],
)
def test_it_is_described_without_its_weights(
    is_distilled: bool,
    defaults: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whether it is distilled follows from its index."""
    folder = tiny_flow_models.save_klein(tmp_path / "klein", is_distilled=is_distilled)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    main(["models", "--json", "--model", str(folder)])
    [row] = json.loads(capsys.readouterr().out)
    assert (row["family"], row["licence"]) == ("FLUX.2 klein", "apache-2.0")
    assert row["native_size"] == 1024
    assert row["defaults"] == defaults
