"""IMAGINE_WEIGHTS stores the weights of denoisers in 8 bits, as diffusers' layerwise casting."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import torch
from PIL import Image

from engine.contract import Recipe
from engine.core.engine_core import EngineCore
from engine.device import select_device
from engine.errors import ModelCorrupt, UsageError
from engine.models import registry
from engine.models.float8 import is_in_float8
from engine.models.loading import denoiser_of
from engine.models.offload_setting import VARIABLE as OFFLOAD
from engine.models.storage_setting import VARIABLE
from tests import (
    test_flux_2_klein,
    test_stable_diffusion_3,
    test_z_image,
    tiny_flow_models,
    tiny_model,
)
from tests.diffusers_pipeline import assert_alike, diffusers_image
from tests.engine_parts import job, load_engine_core, painted_images, recipe, rendered_images


class Sample(NamedTuple):
    """A model of one family, and the image of diffusers for a recipe of it."""

    save: Callable[[Path], Path]
    painted: Callable[[Recipe, EngineCore], Image.Image]
    changes: Mapping[str, Any] = {}


def sd3_image(run: Recipe, core: EngineCore) -> Image.Image:
    """That of diffusers."""
    return diffusers_image(run, None, core, test_stable_diffusion_3.scheduler(run.sampler))


SAMPLES: Final = {
    "sd": Sample(tiny_model.save, lambda run, core: diffusers_image(run, None, core)),
    "sd3": Sample(tiny_flow_models.save_sd3, sd3_image),
    "klein": Sample(
        tiny_flow_models.save_klein,
        lambda run, core: diffusers_image(run, None, core, test_flux_2_klein.scheduler()),
        {"guidance": 1.0},
    ),
    "z-image": Sample(
        tiny_flow_models.save_z_image, test_z_image.diffusers_image, {"guidance": 1.0}
    ),
}


def pipeline(core: EngineCore) -> Any:  # noqa: ANN401 - diffusers' pipelines have no type
    """That of the core's model."""
    return core.model.pipeline  # type: ignore[attr-defined] # of LatentDiffusion


@pytest.mark.parametrize("family", SAMPLES)
def test_pictures_equal_those_of_diffusers(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With less memory, and with other bits than those of the whole weights, as the fingerprint
    says; in company and with offloading they stay."""
    sample = SAMPLES[family]
    folder = str(sample.save(tmp_path / "tiny"))
    plain = load_engine_core(folder)
    monkeypatch.setenv(VARIABLE, "float8")
    small = load_engine_core(folder)
    run = recipe(small, row_class=4, **sample.changes)
    [whole] = painted_images(job(run), plain)
    first, *_ = painted_images(
        job(run, recipe(small, row_class=4, seed=1, **sample.changes)), small
    )
    assert first.sha256 == painted_images(job(run), small)[0].sha256 != whole.sha256
    assert "float8 weights" in first.fingerprint and "float8" not in whole.fingerprint
    assert small.model.memory_bytes < plain.model.memory_bytes
    denoiser_of(pipeline(plain)).enable_layerwise_casting(torch.float8_e4m3fn, torch.float32)
    theirs = sample.painted(run, plain)
    assert_alike(rendered_images(job(run), small)[0], theirs)
    monkeypatch.setenv(OFFLOAD, "all")
    assert painted_images(job(run), load_engine_core(folder))[0].sha256 == first.sha256


def test_openvino_does_not_run_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its copy of the weights would be a whole one."""
    monkeypatch.setenv(VARIABLE, "float8")
    model = load_engine_core(str(tiny_model.save(tmp_path / "tiny"))).model
    model.prove_backends()
    assert [backend.value for backend in model.card.backends] == ["torch"]


def test_a_weight_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be NaN."""

    def enlarge(pipeline: Any) -> None:  # noqa: ANN401 - of diffusers
        pipeline.unet.conv_in.weight.data[0] = 500.0

    folder = tiny_model.save(tmp_path / "tiny", tiny_model.NEVER, enlarge)
    assert not is_in_float8(denoiser_of(pipeline(load_engine_core(str(folder)))))
    monkeypatch.setenv(VARIABLE, "float8")
    with pytest.raises(ModelCorrupt, match="a weight of conv_in is too large for 8 bits"):
        registry.load(str(folder), select_device())


def test_other_values_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says which are allowed."""
    monkeypatch.setenv(VARIABLE, "int4")
    with pytest.raises(UsageError, match="IMAGINE_WEIGHTS is int4; it must be one of full, float8"):
        registry.load(str(tiny_model.save(tmp_path / "tiny")), select_device())
