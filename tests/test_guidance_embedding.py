"""Models that have the guidance as an input paint what diffusers' own pipelines paint."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
import torch

from engine.contract import Change, Img2Img, Recipe, Sampler, sha256
from engine.contract.images.encode import encode_png
from engine.core.engine_core import EngineCore
from engine.device import select_device
from engine.models import registry
from tests import tiny_model
from tests.diffusers_pipeline import assert_alike, diffusers_image
from tests.engine_parts import (
    failure_reason,
    job,
    load_engine_core,
    new_engine_core,
    painted_images,
    recipe,
    rendered_images,
    sketch,
)

UNET: Final = {"time_cond_proj_dim": 32}
SAVE: Final = {"sd": tiny_model.save, "xl": tiny_model.save_xl}


@cache
def core(family: str) -> EngineCore:
    """An engine core with a tiny model of this family that has the guidance as an input."""
    with TemporaryDirectory() as folder:
        return load_engine_core(str(SAVE[family](Path(folder) / "tiny", unet=UNET)))


def lcm_recipe(family: str = "sd", **changes: Any) -> Recipe:  # noqa: ANN401 - any field
    """A quick recipe for such a model."""
    fields = {"sampler": Sampler.LCM, "guidance": 8.0, "guidance_embedding": True}
    return recipe(core(family), **fields | changes)


@pytest.mark.parametrize("family", SAVE)
@pytest.mark.parametrize("guidance", [1.0, 8.0])
def test_txt2img_equals_the_pipeline(family: str, guidance: float) -> None:
    """The negative prompt has no effect."""
    run = lcm_recipe(family, guidance=guidance, negative="blue")
    ours = rendered_images(job(run), core(family))[0]
    assert_alike(ours, diffusers_image(run, core=core(family)))


@pytest.mark.parametrize("storage", ["full", "float8"])
@pytest.mark.parametrize("family", SAVE)
def test_the_embedding_has_the_precision_of_the_device(
    family: str, storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever that of the VAE, which may be another one, and of the stored weights."""
    folder = SAVE[family](tmp_path / "tiny", unet=UNET)
    path = folder / "vae" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"force_upcast": True}))
    monkeypatch.setenv("IMAGINE_WEIGHTS", storage)
    device = replace(select_device(), dtype=torch.bfloat16)
    model = registry.load(str(folder), device)
    run = lcm_recipe(family, model=model.card.name, revision=model.card.revision, steps=1)
    conditioning = model.encode_prompt(run)
    assert conditioning["timestep_cond"].dtype == torch.bfloat16
    assert painted_images(job(run), new_engine_core(model))


@pytest.mark.parametrize("family", SAVE)
def test_img2img_equals_the_pipeline(family: str) -> None:
    """With another sampler, too."""
    data = encode_png(sketch())
    run = lcm_recipe(family, sampler=Sampler.EULER, source=Img2Img(sha256(data), 0.5))
    ours = rendered_images(job(run, source=data), core(family))[0]
    assert_alike(ours, diffusers_image(run, sketch(), core(family)))


@pytest.mark.parametrize("family", SAVE)
def test_other_images_change_no_bit(family: str) -> None:
    """Images with other guidances share batches."""
    grid = [lcm_recipe(family, row_class=8, guidance=2.0 * nth, seed=5) for nth in range(4)]
    alone = [painted_images(job(single), core(family))[0].sha256 for single in grid]
    assert [image.sha256 for image in painted_images(job(*grid), core(family))] == alone
    assert len(set(alone)) == 4


def test_the_guidance_may_change_on_the_way() -> None:
    """From that step on, the picture is another one; a change to the same guidance is none."""
    plain = lcm_recipe()
    same, other = (
        lcm_recipe(changes=(Change(step=2, guidance=guidance),)) for guidance in (8.0, 3.0)
    )
    digests = [image.sha256 for image in painted_images(job(plain, same, other), core("sd"))]
    assert digests[0] == digests[1] != digests[2]


def test_the_card_says_that_the_guidance_is_an_input() -> None:
    """Defaults are those of latent consistency models."""
    card = core("sd").model.card
    assert card.guidance_embedding
    assert card.distilled is not None
    assert card.distilled.name == "LCM"
    assert (card.steps, card.guidance, card.sampler) == (4, 8.0, Sampler.LCM)


def test_a_recipe_for_another_kind_of_model_is_refused() -> None:
    """Its guidance would have no effect, or another one."""
    reason = failure_reason(job(lcm_recipe(guidance_embedding=False)), core("sd"))
    assert "has the guidance as an input" in reason
    assert "must be false" in failure_reason(job(recipe(guidance_embedding=True)))


def test_a_folder_of_latent_consistency_models_is_loaded(tmp_path: Path) -> None:
    """Its index names a pipeline class of its own."""
    folder = tiny_model.save(tmp_path / "tiny", unet=UNET)
    index = folder / "model_index.json"
    changes = {"_class_name": "LatentConsistencyModelPipeline"}
    index.write_text(json.dumps(json.loads(index.read_text()) | changes))
    assert registry.load(str(folder), select_device()).card.guidance_embedding
