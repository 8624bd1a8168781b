"""SDXL paints what diffusers' own pipelines paint."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from engine.contract import Img2Img, Recipe, Sampler, sha256
from engine.contract.images.encode import encode_png
from engine.core.engine_core import EngineCore
from engine.device import select_device
from engine.errors import ModelCorrupt, NoSafetyChecker
from engine.models import registry
from tests import tiny_model
from tests.diffusers_pipeline import assert_alike, diffusers_image
from tests.engine_parts import (
    job,
    load_engine_core,
    painted_images,
    recipe,
    rendered_images,
    sketch,
)


@cache
def xl_core() -> EngineCore:
    """An engine core with a tiny SDXL."""
    with TemporaryDirectory() as folder:
        return load_engine_core(str(tiny_model.save_xl(Path(folder) / "tiny-xl")))


def xl_recipe(**changes: Any) -> Recipe:  # noqa: ANN401 - any of a recipe's fields
    """A quick recipe for the tiny SDXL."""
    return recipe(xl_core(), **changes)


@pytest.mark.parametrize("sampler", [Sampler.EULER, Sampler.DPMPP_2M, Sampler.EULER_A])
@pytest.mark.parametrize("guidance", [1.0, 6.0])
@pytest.mark.parametrize("negative", ["", "blue"])
def test_txt2img_equals_the_pipeline(sampler: Sampler, guidance: float, negative: str) -> None:
    """With guidance, an empty negative prompt gives zeros as conditioning."""
    run = xl_recipe(sampler=sampler, guidance=guidance, negative=negative, steps=5, height=96)
    assert_alike(rendered_images(job(run), xl_core())[0], diffusers_image(run, core=xl_core()))


@pytest.mark.parametrize("strength", [0.4, 1.0])
def test_img2img_equals_the_pipeline(strength: float) -> None:
    """Several strengths are tested."""
    source = sketch()
    data = encode_png(source)
    run = xl_recipe(steps=5, source=Img2Img(sha256(data), strength))
    ours = rendered_images(job(run, source=data), xl_core())[0]
    assert_alike(ours, diffusers_image(run, source, xl_core()))


def test_other_images_change_no_bit() -> None:
    """Images with and without guidance share batches."""
    grid = [
        xl_recipe(row_class=8, seed=seed, guidance=1.0 if seed == 2 else 5.0) for seed in range(4)
    ]
    alone = [painted_images(job(single), xl_core())[0].sha256 for single in grid]
    assert [image.sha256 for image in painted_images(job(*grid), xl_core())] == alone


def test_its_images_are_checked(tmp_path: Path) -> None:
    """The safety checker in the model's folder checks them."""
    core = load_engine_core(str(tiny_model.save_xl(tmp_path / "tiny-xl", tiny_model.ALWAYS)))
    assert painted_images(job(recipe(core)), core)[0].withheld


def test_without_a_checker_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stable Diffusion's checker cannot be downloaded in this test."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    folder = tiny_model.save_xl(tmp_path / "tiny-xl")
    shutil.rmtree(folder / "safety_checker")
    with pytest.raises(NoSafetyChecker, match="could not be downloaded"):
        registry.load(str(folder), select_device())


def test_a_damaged_checker_is_refused(tmp_path: Path) -> None:
    """The model is not loaded without a checker."""
    folder = tiny_model.save_xl(tmp_path / "tiny-xl")
    (folder / "safety_checker" / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelCorrupt, match="damaged"):
        registry.load(str(folder), select_device())
