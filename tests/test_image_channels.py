"""UNets with a mask or a picture as further inputs, in files of all kinds."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import save_file

from engine.bench.backends import pipeline_of
from engine.contract import Backend, Recipe
from engine.core.engine_core import EngineCore
from engine.device import Device, select_device
from engine.errors import ModelCorrupt, ModelNotFound
from engine.models import registry
from engine.models.base import IMAGE_CHANNELS, dummy_recipe
from engine.models.defaults import STARTER_EDIT_GUIDANCE, STARTER_IMAGE_GUIDANCE
from engine.models.description import describe
from engine.models.openvino_backend import OpenVinoBackend
from engine.models.stable_diffusion import StarterModel
from engine.starter.checkpoint import unet_tensors
from engine.weights import model_files
from engine.weights.model_files import find_model_files
from engine.weights.model_folder import EDIT_STARTER, STARTER_FOLDER
from tests import tiny_model
from tests.checkpoint_writer import sd1_tensors, without, write, xl_tensors
from tests.engine_parts import engine_core, load_engine_core, painted_images
from tests.test_edit import edit, editor, editor_xl
from tests.test_inpaint import inpainting, job_of, nine_channels, nine_channels_xl

CONFIG = "IMAGINE_MODEL_CONFIG"
CLASSES = {
    "StableDiffusionInpaintPipeline": (tiny_model.save, 9),
    "StableDiffusionInstructPix2PixPipeline": (tiny_model.save, 8),
    "StableDiffusionXLInpaintPipeline": (tiny_model.save_xl, 9),
    "StableDiffusionXLInstructPix2PixPipeline": (tiny_model.save_xl, 8),
}


def run_of(core: EngineCore) -> Recipe:
    """A recipe that the model of the core can paint."""
    return edit(core) if core.model.card.is_editor else inpainting(core)


def digest(core: EngineCore) -> str:
    """The digest of its picture."""
    [image] = painted_images(job_of(run_of(core)), core)
    assert image.failed is None
    return image.sha256


@pytest.mark.parametrize("name", CLASSES)
def test_folders_of_the_pipelines_are_loaded(name: str, tmp_path: Path) -> None:
    """With the class that the pipeline has in diffusers."""
    save, channels = CLASSES[name]
    folder = save(tmp_path / "model", unet={"in_channels": channels})
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": name}))
    core = load_engine_core(str(folder))
    card = core.model.card
    assert (card.is_editor, card.can_inpaint) == (channels == 8, channels == 9)
    assert describe(find_model_files(str(folder))).abilities == (
        ("edit",) if channels == 8 else ("txt2img", "img2img", "inpaint")
    )
    assert core.model.latent_shape(64, 96) == (1, 4, 12, 8)
    assert digest(core)


@pytest.mark.parametrize("core", [nine_channels, editor, nine_channels_xl, editor_xl])
def test_single_files_are_known_by_their_first_convolution(
    core: Any,  # noqa: ANN401 - a function
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The configuration may be that of a plain model; the file may have the UNet alone."""
    model = core().model
    pipeline = pipeline_of(model)
    is_xl = isinstance(pipeline, StableDiffusionXLPipeline)
    folder = (tiny_model.save_xl if is_xl else tiny_model.save)(tmp_path / "plain")
    monkeypatch.setenv(CONFIG, str(folder))
    tensors = (xl_tensors if is_xl else sd1_tensors)(pipeline)
    whole = load_engine_core(str(write(tmp_path / "whole.safetensors", tensors)))
    assert whole.model.card.is_editor == model.card.is_editor
    assert digest(whole) == digest(core())
    for prefix in ("first_stage_model.", "cond_stage_model.", "conditioner."):
        tensors = without(tensors, prefix)
    alone = load_engine_core(str(write(tmp_path / "unet.safetensors", tensors)))
    assert alone.model.image_channels == model.image_channels
    assert digest(alone)


@pytest.mark.parametrize("channels", [5, 7, 16])
def test_other_inputs_are_refused(channels: int, tmp_path: Path) -> None:
    """The sentence says which are allowed."""
    folder = tiny_model.save(tmp_path / "model", unet={"in_channels": channels})
    with pytest.raises(ModelCorrupt, match="text-to-image, inpainting and editing"):
        registry.load(str(folder), select_device())


@pytest.mark.parametrize("core", [nine_channels, editor])
@pytest.mark.parametrize("rows", [4, 8])
def test_batches_with_images_are_exact(core: Any, rows: int) -> None:  # noqa: ANN401 - a function
    """The proof has other images in the rows of others."""
    assert core().model.is_batch_invariant(64, 64, rows)
    conditioning = core().model.encode_prompt(dummy_recipe(core().model.card, 64, 64))
    assert conditioning[IMAGE_CHANNELS].shape == (1, core().model.image_channels, 8, 8)


def test_plain_models_have_no_such_input() -> None:
    """Their batches are as before."""
    model = engine_core().model
    assert model.image_channels == 0
    assert IMAGE_CHANNELS not in model.encode_prompt(dummy_recipe(model.card, 64, 64))
    assert isinstance(pipeline_of(model), StableDiffusionPipeline)


def test_the_starter_for_edits_is_a_checkpoint_of_its_unet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The starter completes it. A copy of the project may lack it."""
    monkeypatch.setattr(model_files, "EDIT_STARTER_FILE", tmp_path / "starter-edit.safetensors")
    with pytest.raises(ModelNotFound, match="is not in this copy of the project"):
        find_model_files(EDIT_STARTER)
    starter = UNet2DConditionModel.from_pretrained(STARTER_FOLDER / "unet")
    unet = UNet2DConditionModel.from_config(starter.config, in_channels=16)
    save_file(unet_tensors(unet), tmp_path / "starter-edit.safetensors")
    files = find_model_files(EDIT_STARTER)
    description = describe(files)
    assert (description.guidance, description.abilities) == (STARTER_EDIT_GUIDANCE, ("edit",))
    core = load_engine_core(EDIT_STARTER)
    assert isinstance(core.model, StarterModel)
    card = core.model.card
    assert (card.is_editor, card.guidance, card.image_guidance) == (
        True,
        STARTER_EDIT_GUIDANCE,
        STARTER_IMAGE_GUIDANCE,
    )
    run = edit(core, steps=2, width=card.native_size, height=card.native_size)
    [image] = painted_images(job_of(run), core)
    assert image.failed is None


@pytest.mark.parametrize("core", [nine_channels, editor])
def test_openvino_gives_the_results_of_torch(core: Any) -> None:  # noqa: ANN401 - a function
    """The image is a further input of its network, so the proof on the card includes it."""
    model = core().model
    device = Device(torch.device("cpu"), torch.float32, 1)
    backend = OpenVinoBackend(model._denoiser, model.forward, model._vae, device)
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(model.latent_shape(64, 64), generator=generator).repeat(4, 1, 1, 1)
    conditioning = {
        name: torch.randn(4, *tensor.shape[1:], generator=generator)
        for name, tensor in model.encode_prompt(dummy_recipe(model.card, 64, 64)).items()
    }
    timesteps = torch.full((4,), 500.0)
    with torch.inference_mode():
        expected = model.forward(latents, timesteps, conditioning)
    actual = backend.predict(latents, timesteps, conditioning, Backend.OPENVINO)
    assert torch.allclose(actual, expected, atol=1e-4)
