"""The second family paints what diffusers' own pipelines paint, by the same loop."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from PIL import Image

from engine import models, samplers
from engine.contract import Recipe, Sampler
from engine.exits import ModelBroken, ModelUnchecked
from engine.hardware import prepare
from engine.images import png, sha256
from engine.painter import Painter
from tests import tiny_model
from tests.engine_parts import job, loaded, paintings, pictures, recipe, sketch
from tests.test_samplers import assert_alike


@cache
def painter() -> Painter:
    """With a tiny SDXL."""
    with TemporaryDirectory() as place:
        return loaded(str(tiny_model.save_xl(Path(place) / "tiny-xl")))


def wanted(**changes: Any) -> Recipe:  # noqa: ANN401 - any of a recipe's fields
    """A quick recipe for it."""
    return recipe(painter(), **changes)


def of_diffusers(wanted: Recipe, source: Image.Image | None = None) -> Image.Image:
    """What diffusers' own pipeline paints for this recipe."""
    parts = dict(painter().model.pipeline.components)
    parts["scheduler"] = samplers.make(wanted.sampler, parts["scheduler"].config)
    options: dict[str, Any] = {
        "prompt": wanted.prompt,
        "negative_prompt": wanted.negative or None,
        "num_inference_steps": wanted.steps,
        "guidance_scale": wanted.guidance,
        "generator": torch.Generator("cpu").manual_seed(wanted.seed),
    }
    kind: Any = StableDiffusionXLPipeline
    if source is None:
        options |= {"width": wanted.width, "height": wanted.height}
    else:
        kind = StableDiffusionXLImg2ImgPipeline
        options |= {"image": source, "strength": wanted.strength}
    pipeline = kind(**parts, add_watermarker=False)
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline(**options).images[0]
    assert isinstance(picture, Image.Image)
    return picture


@pytest.mark.parametrize("sampler", [Sampler.EULER, Sampler.DPMPP_2M, Sampler.EULER_A])
@pytest.mark.parametrize("guidance", [1.0, 6.0])
@pytest.mark.parametrize("negative", ["", "blue"])
def test_a_picture_is_what_the_pipeline_paints(
    sampler: Sampler, guidance: float, negative: str
) -> None:
    """No negative prompt is not the same as an empty one."""
    asked = wanted(sampler=sampler, guidance=guidance, negative=negative, steps=5, height=96)
    assert_alike(pictures(job(asked), painter())[0], of_diffusers(asked))


@pytest.mark.parametrize("strength", [0.4, 1.0])
def test_a_painted_sketch_is_what_the_pipeline_paints(strength: float) -> None:
    """From a sketch."""
    source = sketch()
    data = png(source)
    asked = wanted(steps=5, source=sha256(data), strength=strength)
    ours = pictures(job(asked, source=data), painter())[0]
    assert_alike(ours, of_diffusers(asked, source))


def test_company_changes_no_bit() -> None:
    """With prompt and without share their batches, whatever their words."""
    asked = [wanted(row_class=8, seed=n, guidance=1.0 if n == 2 else 5.0) for n in range(4)]
    alone = [paintings(job(each), painter())[0].sha256 for each in asked]
    assert [each.sha256 for each in paintings(job(*asked), painter())] == alone


def test_its_pictures_are_checked(tmp_path: Path) -> None:
    """By the checker that lies beside it."""
    by = loaded(str(tiny_model.save_xl(tmp_path / "tiny-xl", tiny_model.ALWAYS)))
    assert paintings(job(recipe(by)), by)[0].blocked


def test_without_a_checker_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is none on the hub either."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    folder = tiny_model.save_xl(tmp_path / "tiny-xl")
    shutil.rmtree(folder / "safety_checker")
    with pytest.raises(ModelUnchecked, match="no safety checker, and another cannot be had"):
        models.load(str(folder), prepare())


def test_a_damaged_checker_is_said(tmp_path: Path) -> None:
    """It is nothing to do without."""
    folder = tiny_model.save_xl(tmp_path / "tiny-xl")
    (folder / "safety_checker" / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelBroken, match="damaged"):
        models.load(str(folder), prepare())
