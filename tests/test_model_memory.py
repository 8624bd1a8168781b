"""The memory that models take on a CPU."""

import gc
import weakref
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

from engine.bench.backends import pipeline_of
from engine.device import Device, select_device
from engine.errors import EngineError
from engine.models import registry
from engine.models.offload_setting import VARIABLE, is_offloaded
from engine.weights.model_files import find_model_files
from engine.weights.sizes import loaded_bytes, tensor_bytes
from tests import tiny_model
from tests.checkpoint_writer import sd1_tensors, write
from tests.engine_parts import job, load_engine_core, painted_images, recipe


def test_weights_that_do_not_fit_into_memory_are_one_sentence(tmp_path: Path) -> None:
    """Nothing is loaded; here a file has a hole of 4 TB."""
    folder = tiny_model.save_too_large(tmp_path / "tiny")
    with pytest.raises(EngineError, match=r"too little memory .*: its weights take 4000\.0 GB"):
        registry.load(str(folder), select_device())


def test_a_model_that_is_dropped_frees_its_weights(tmp_path: Path) -> None:
    """Also after it has painted a picture."""
    core = load_engine_core(str(tiny_model.save(tmp_path / "tiny")))
    painted_images(job(recipe(core, steps=1)), core)
    networks = [
        weakref.ref(part)
        for part in pipeline_of(core.model).components.values()
        if isinstance(part, torch.nn.Module)
    ]
    assert len(networks) == 3
    core.postprocessor.close()
    del core
    gc.collect()
    assert [network() for network in networks] == [None] * 3


def test_packed_weights_keep_their_bytes(tmp_path: Path) -> None:
    """Only floats are converted when they are loaded."""
    path = tmp_path / "x.safetensors"
    packed, scale = torch.zeros(10, dtype=torch.uint8), torch.zeros(3, dtype=torch.float16)
    save_file({"packed": packed, "scale": scale}, path)
    assert tensor_bytes(path, 4) == 10 + 3 * 4


@pytest.mark.parametrize("is_checkpoint", [False, True])
@pytest.mark.parametrize(
    ("offload", "networks"), [("text", ["text_encoder"]), ("all", ["text_encoder", "unet"])]
)
def test_offloaded_weights_must_fit_on_the_host(
    offload: str,
    networks: list[str],
    is_checkpoint: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a GPU only these are counted, also those in the file of a checkpoint."""
    folder = tiny_model.save(tmp_path / "tiny")
    name = folder
    if is_checkpoint:  # in a folder with the name of a network
        pipeline = StableDiffusionPipeline.from_pretrained(folder)
        averaged = {"model_ema.x": torch.ones(7)}
        (tmp_path / "unet").mkdir()
        name = write(tmp_path / "unet" / "a.safetensors", {**sd1_tensors(pipeline), **averaged})
        monkeypatch.setenv("IMAGINE_MODEL_CONFIG", str(folder))
    files = find_model_files(str(name))
    device = Device(torch.device("cuda"), torch.float16, 1)
    monkeypatch.setattr(registry, "free_memory", lambda: 1)
    monkeypatch.setenv(VARIABLE, "none")
    registry._check_memory(files, device)
    monkeypatch.setenv(VARIABLE, offload)
    with pytest.raises(EngineError, match="too little memory"):
        registry._check_memory(files, device)
    sizes = {
        component: tensor_bytes(next((folder / component).glob("*.safetensors")), 2)
        for component in ("unet", "vae", "text_encoder", "safety_checker")
    }
    on_host = sum(sizes[network] for network in networks)
    assert loaded_bytes(files, 2, is_offloaded) == on_host
    assert registry._device_bytes(files, 2) == sum(sizes.values()) - on_host > 0
