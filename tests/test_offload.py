"""IMAGINE_OFFLOAD keeps networks on the host, and the pictures stay as they are."""

from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline

from engine.core.engine_core import EngineCore
from engine.device import select_device
from engine.errors import UsageError
from engine.models import registry
from engine.models.loading import denoiser_of
from engine.models.offload import VARIABLE
from tests import tiny_flow_models, tiny_model
from tests.engine_parts import job, load_engine_core, painted_images, recipe


def loaded(folder: Path, offload: str, monkeypatch: pytest.MonkeyPatch) -> EngineCore:
    """An engine core with this model."""
    monkeypatch.setenv(VARIABLE, offload)
    return load_engine_core(str(folder))


def size(pipeline: DiffusionPipeline, *names: str) -> int:
    """The bytes of these networks' weights."""
    networks = [pipeline.components[name] for name in names]
    parameters = {id(p): p for network in networks for p in network.parameters()}
    buffers = [buffer for network in networks for buffer in network.buffers()]
    return sum(tensor.nbytes for tensor in [*parameters.values(), *buffers])


@pytest.mark.parametrize("family", ["sd", "sd3"])
def test_pictures_have_the_same_bits(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With text encoders on the host, or the denoiser too; they take no memory of the device."""
    folder = tmp_path / "tiny"
    if family == "sd":
        tiny_model.save(folder)
    else:
        tiny_flow_models.save_sd3(folder, has_t5=False)
    digests, memory = set(), []
    for offload in ("", "text", "all"):
        core = loaded(folder, offload, monkeypatch)
        pipeline = core.model.pipeline  # type: ignore[attr-defined] # of LatentDiffusion
        digests.add(painted_images(job(recipe(core)), core)[0].sha256)
        memory.append(core.model.memory_bytes)
    denoiser = "unet" if family == "sd" else "transformer"
    assert len(digests) == 1
    encoders = [name for name in pipeline.components if name.startswith("text_encoder")]
    present = [name for name in encoders if pipeline.components[name] is not None]
    assert memory[0] - memory[1] == size(pipeline, *present)
    assert memory[1] - memory[2] == size(pipeline, denoiser)


def test_a_model_can_still_wait_on_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stays there anyway is not moved."""
    core = loaded(tiny_model.save(tmp_path / "tiny"), "all", monkeypatch)
    expected = painted_images(job(recipe(core)), core)[0].sha256
    core.model.to_host()
    pipeline = core.model.pipeline  # type: ignore[attr-defined] # of LatentDiffusion
    assert all(parameter.numel() for parameter in denoiser_of(pipeline).parameters())
    core.model.to_device()
    assert painted_images(job(recipe(core)), core)[0].sha256 == expected
    assert isinstance(denoiser_of(pipeline), torch.nn.Module)


def test_other_values_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says which are allowed."""
    monkeypatch.setenv(VARIABLE, "everything")
    with pytest.raises(UsageError, match="it must be one of none, text, all"):
        registry.load(str(tiny_model.save(tmp_path / "tiny")), select_device())
