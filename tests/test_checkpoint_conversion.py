"""Converting the names of a checkpoint: damaged tensors and incomplete configs are named."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from engine.device import select_device
from engine.errors import ModelCorrupt
from engine.models import checkpoint_conversion, registry
from engine.models.checkpoint_conversion import named_as_diffusers
from engine.models.weight_errors import listed, shape_errors
from engine.weights.checkpoint_names import Kind
from tests import tiny_model
from tests.checkpoint_writer import Tensors, sd1_tensors, write


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tensors]:
    """A tiny Stable Diffusion as a folder, and the tensors of its checkpoint."""
    folder = tiny_model.save(tmp_path_factory.mktemp("models") / "tiny")
    return folder, sd1_tensors(StableDiffusionPipeline.from_pretrained(folder))


def load_without(
    key: str, component: str, source: tuple[Path, Tensors], path: Path, patch: pytest.MonkeyPatch
) -> None:
    """Load a checkpoint whose configuration lacks a key of a component's config."""
    folder = Path(shutil.copytree(source[0], path / "tiny"))
    file = folder / component / "config.json"
    config = json.loads(file.read_text())
    del config[key]
    file.write_text(json.dumps(config))
    patch.setenv("IMAGINE_MODEL_CONFIG", str(folder))
    registry.load(str(write(path / "x.safetensors", source[1])), select_device())


def test_a_config_without_a_key_has_the_default_of_diffusers(
    source: tuple[Path, Tensors], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it is the default that is needed, the checkpoint is loaded; else weights are missing, not
    the key."""
    load_without("down_block_types", "vae", source, tmp_path / "1", monkeypatch)
    with pytest.raises(ModelCorrupt, match="some weights of the unet are missing: ") as excinfo:
        load_without("layers_per_block", "unet", source, tmp_path / "2", monkeypatch)
    assert "layers_per_block" not in str(excinfo.value)


def test_a_lack_of_memory_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no fault of the file."""

    def fail(**_: object) -> Tensors:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setitem(checkpoint_conversion._TRANSFORMERS, Kind.Z_IMAGE, fail)
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        named_as_diffusers(Kind.Z_IMAGE, "transformer", {"x": torch.ones(1)}, {})


def test_names_are_listed_in_order() -> None:
    """At most three."""
    assert listed(["b"]) == "b"
    assert listed(["b", "a"]) == "a, b"
    assert listed(list("dcba")) == "a, b, c and 1 more"


def test_other_errors_than_those_of_shapes_are_kept() -> None:
    """They have sentences of their own."""
    with pytest.raises(ValueError, match="something else"), shape_errors("unet"):
        raise ValueError("something else")
    text = "Cannot load x because a.b expected shape torch.Size([2, 3]), but got torch.Size([])."
    expected = r"the shape \[\]; .* must be \[2, 3\]"
    with pytest.raises(ValueError, match=expected), shape_errors("unet"):
        raise ValueError(text)
