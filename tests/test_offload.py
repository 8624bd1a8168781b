"""IMAGINE_OFFLOAD keeps networks on the host, and the pictures stay as they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from diffusers import DiffusionPipeline
from diffusers.hooks.group_offloading import ModuleGroup

from engine.core.engine_core import EngineCore
from engine.device import select_device
from engine.errors import UsageError
from engine.models import registry
from engine.models.loading import denoiser_name, denoiser_of
from engine.models.offload_setting import VARIABLE
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


def save_sd3(folder: Path) -> Path:
    """A Stable Diffusion 3 without T5."""
    return tiny_flow_models.save_sd3(folder, has_t5=False)


@pytest.mark.parametrize(
    "save",
    [
        tiny_model.save,
        tiny_model.save_xl,
        save_sd3,
        tiny_flow_models.save_klein,
        tiny_flow_models.save_z_image,
    ],
)
def test_pictures_have_the_same_bits(
    save: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With text encoders on the host, or the denoiser too; they take no memory of the device."""
    folder = save(tmp_path / "tiny")
    digests, memory = set(), []
    for offload in ("", "text", "all"):
        core = loaded(folder, offload, monkeypatch)
        pipeline = core.model.pipeline  # type: ignore[attr-defined] # of LatentDiffusion
        digests.add(painted_images(job(recipe(core)), core)[0].sha256)
        memory.append(core.model.memory_bytes)
    assert len(digests) == 1
    encoders = [name for name in pipeline.components if name.startswith("text_encoder")]
    present = [name for name in encoders if pipeline.components[name] is not None]
    assert memory[0] - memory[1] == size(pipeline, *present)
    assert memory[1] - memory[2] == size(pipeline, denoiser_name(pipeline))


class Move(NamedTuple):
    """A group of weights that is moved to the device, or back."""

    is_onload: bool
    group: ModuleGroup

    @property
    def weights(self) -> set[int]:
        """The ids of its parameters."""
        modules = (p for module in self.group.modules for p in module.parameters())
        return {id(parameter) for parameter in [*modules, *self.group.parameters]}


def recorded_moves(monkeypatch: pytest.MonkeyPatch) -> list[Move]:
    """What diffusers moves from now on, in order."""
    moves: list[Move] = []
    for name in ("onload_", "offload_"):
        original = getattr(ModuleGroup, name)

        def move(group: ModuleGroup, name: str = name, original: Any = original) -> None:  # noqa: ANN401 - has no type
            moves.append(Move(name == "onload_", group))
            original(group)

        monkeypatch.setattr(ModuleGroup, name, move)
    return moves


@pytest.mark.parametrize(
    ("offload", "names"), [("text", ["text_encoder"]), ("all", ["text_encoder", "unet"])]
)
def test_layers_take_turns_on_the_device(
    offload: str, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All weights of these networks are moved there, few at once, and back."""
    core = loaded(tiny_model.save(tmp_path / "tiny"), offload, monkeypatch)
    pipeline = core.model.pipeline  # type: ignore[attr-defined] # of LatentDiffusion
    painted_images(job(recipe(core, steps=1)), core)  # with the proof of batch invariance
    moves = recorded_moves(monkeypatch)
    painted_images(job(recipe(core, steps=1, prompt="a blue tree")), core)
    weights = {name: {id(p) for p in pipeline.components[name].parameters()} for name in names}
    order: list[int] = []
    on_device: list[ModuleGroup] = []
    most = 0
    for move in moves:
        if not move.is_onload:
            on_device.remove(move.group)
            continue
        assert move.group not in on_device
        on_device.append(move.group)
        most = max(most, len(on_device))
        order.extend(names.index(name) for name in names if move.weights & weights[name])
    assert not on_device, "all are back"
    assert most <= 2, "a block, and what belongs to none"
    assert order == sorted(order), "the prompt is encoded first"
    moved = set().union(*(move.weights for move in moves))
    assert moved == set().union(*weights.values())


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
