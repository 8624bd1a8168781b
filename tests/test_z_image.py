"""Z-Image paints what diffusers' own pipelines paint."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, ZImageImg2ImgPipeline
from PIL import Image

from engine.__main__ import main
from engine.contract import (
    Capture,
    Change,
    Img2Img,
    PromptFormat,
    Recipe,
    Sampler,
    StepRounding,
    sha256,
)
from engine.contract.images.encode import encode_png
from engine.core.engine_core import EngineCore
from tests import tiny_flow_models
from tests.diffusers_pipeline import assert_alike, unchecked_pipeline
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

LONG: Final = "a small red house between two old trees, at night, with stars and a full moon "
"""Longer than one chunk of tokens, which the prompts of other tests fill."""


@cache
def core(*, use_dynamic_shifting: bool = False) -> EngineCore:
    """An engine core with a tiny Z-Image."""
    with TemporaryDirectory() as folder:
        path = tiny_flow_models.save_z_image(
            Path(folder) / "tiny", use_dynamic_shifting=use_dynamic_shifting
        )
        return load_engine_core(str(path))


def z_recipe(model: EngineCore | None = None, **changes: Any) -> Recipe:  # noqa: ANN401 - any of a recipe's fields
    """A quick recipe."""
    return recipe(model or core(), **({"guidance": 1.0} | changes))


def diffusers_image(
    run: Recipe, model: EngineCore | None = None, source: Image.Image | None = None
) -> Image.Image:
    """The image of diffusers' own pipeline. In its scale of guidance, 0 is off."""
    pipeline = unchecked_pipeline(model or core())
    is_dynamic = bool(pipeline.scheduler.config.use_dynamic_shifting)
    pipeline.scheduler = FlowMatchEulerDiscreteScheduler(shift=3, use_dynamic_shifting=is_dynamic)
    options: dict[str, Any] = {}
    if source is not None:
        pipeline = ZImageImg2ImgPipeline(**pipeline.components)
        options = {"image": source, "strength": run.strength}
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline(
        prompt=run.prompt,
        negative_prompt=run.negative,
        guidance_scale=run.guidance - 1.0,
        num_inference_steps=run.steps,
        width=run.width,
        height=run.height,
        generator=torch.Generator("cpu").manual_seed(run.seed),
        **options,
    ).images[0]
    assert isinstance(image, Image.Image)
    return image


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"steps": 5, "width": 96, "prompt": LONG},
        {"guidance": 5.0, "negative": "blue"},
        {"guidance": 5.0, "negative": LONG},
        {"prompt": LONG * 9, "prompt_format": PromptFormat.PLAIN},
    ],
)
def test_txt2img_equals_the_pipeline(changes: dict[str, Any]) -> None:
    """The prompts of a picture may have different numbers of chunks; a long one is truncated."""
    run = z_recipe(**changes)
    assert_alike(rendered_images(job(run), core())[0], diffusers_image(run))


def test_the_schedule_may_depend_on_the_size() -> None:
    """The pipeline shifts the noise by the number of tokens."""
    model = core(use_dynamic_shifting=True)
    run = z_recipe(model, width=128)
    assert_alike(rendered_images(job(run), model)[0], diffusers_image(run, model))


@pytest.mark.parametrize(("steps", "strength"), IMG2IMG_STEPS)
def test_img2img_equals_the_pipeline(steps: int, strength: float) -> None:
    """It rounds the steps that are run up."""
    source = sketch()
    data = encode_png(source)
    init_image = Img2Img(sha256(data), strength, core().model.card.rounding)
    run = z_recipe(source=init_image, steps=steps)
    ours = rendered_images(job(run, source=data), core())[0]
    assert_alike(ours, diffusers_image(run, source=source))


def test_other_images_change_no_bit() -> None:
    """Prompts of one number of chunks share batches, whatever their lengths; others do not."""
    data = encode_png(sketch())
    grid = [
        z_recipe(row_class=8, steps=5, source=Img2Img(sha256(data), 0.5, StepRounding.UP)),
        z_recipe(row_class=8, prompt="a red house"),
        z_recipe(row_class=8, prompt="a boat", steps=6, sampler=Sampler.UNIPC),
        z_recipe(row_class=8, prompt="a boat", steps=6, sampler=Sampler.DPMPP_2M_SDE),
        z_recipe(row_class=8, prompt="a cat", guidance=4.0, steps=3),
        z_recipe(row_class=8, prompt=LONG),
        z_recipe(row_class=8, prompt=LONG, guidance=4.0),
        z_recipe(row_class=8, changes=(Change(step=2, prompt=LONG),)),
    ]
    chunks = [core().model.text_chunks(single) for single in grid]
    assert chunks == [2, 2, 2, 2, 2, 4, 104, 104]
    alone = [painted_images(job(single, source=data), core())[0].sha256 for single in grid]
    together = painted_images(job(*grid, source=data), core())
    assert [image.sha256 for image in together] == alone


def test_a_change_of_the_prompt_changes_the_picture() -> None:
    """Also if the new prompt has another number of chunks."""
    plain = z_recipe(steps=2)
    changed = z_recipe(steps=2, changes=(Change(step=1, prompt="a blue boat"),))
    longer = z_recipe(steps=2, changes=(Change(step=1, prompt=LONG),))
    digests = {image.sha256 for image in painted_images(job(plain, changed, longer), core())}
    assert len(digests) == 3


def test_weights_are_left_out_of_prompts() -> None:
    """Its text encoder is a language model."""
    plain = z_recipe(prompt="a red house")
    weighted = z_recipe(prompt="a (red:1.3) [house]", prompt_format=PromptFormat.A1111)
    digests = {image.sha256 for image in painted_images(job(plain, weighted), core())}
    assert len(digests) == 1


def test_what_does_not_suit_it_is_refused() -> None:
    """The sentences say what does."""
    reason = failure_reason(job(z_recipe(sampler=Sampler.LCM)), core())
    assert "Choose one of: dpmpp_2m, dpmpp_2m_sde, unipc, deis, flow_euler" in reason
    assert "multiples of 16" in failure_reason(job(z_recipe(height=72)), core())
    assert "at most 1024 pixels" in failure_reason(job(z_recipe(height=1040)), core())


def test_its_steps_can_be_shown() -> None:
    """A job has a strip of frames."""
    painted = run_job(job(z_recipe(), capture=Capture(strip=2)), core())
    assert isinstance(painted, Painted)


@pytest.mark.parametrize(
    ("name", "defaults"),
    [
        ("Z-Image-Turbo", {"steps": 8, "guidance": 1.0, "sampler": "flow_euler"}),
        ("Z-Image", {"steps": 50, "guidance": 5.0, "sampler": "flow_euler"}),
    ],
)
def test_it_is_described_without_its_weights(
    name: str, defaults: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Turbo is recognised by its name."""
    folder = tiny_flow_models.save_z_image(tmp_path / name)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    main(["models", "--json", "--model", str(folder)])
    [row] = json.loads(capsys.readouterr().out)
    assert (row["family"], row["licence"]) == ("Z-Image", "apache-2.0")
    assert row["defaults"] == defaults
