"""Transformers in one file paint what their folders paint: names of diffusers, prefixes, and all
networks in one file."""

import json
from pathlib import Path

import pytest
import torch

from engine.device import select_device
from engine.models import registry
from engine.models.description import describe
from engine.weights.checkpoints import read_checkpoint
from engine.weights.model_files import find_model_files
from tests import single_files
from tests.checkpoint_writer import (
    nested,
    prefixed,
    vae,
    write,
)
from tests.engine_parts import load_engine_core
from tests.single_files import (
    CONFIG,
    UNET,
    Source,
    copy_of_configs,
    failure,
    klein_vae,
    language_model,
    painted,
)

# pytest finds the fixtures of a test by the names in its module
sources, source = single_files.sources, single_files.source


@pytest.mark.parametrize("layout", ["authors", "diffusers"])
@pytest.mark.parametrize("prefix", ["", UNET])
def test_a_transformer_alone_is_completed(
    source: Source, layout: str, prefix: str, tmp_path: Path
) -> None:
    """By the names of its authors or of diffusers, with any prefix."""
    path = write(tmp_path / "x.safetensors", prefixed(prefix, getattr(source, layout)))
    assert set(read_checkpoint(path, "x").components) == {"transformer"}
    assert painted(path) == source.digest


def test_the_file_in_a_diffusers_folder_is_a_checkpoint(source: Source) -> None:
    """As people download it alone."""
    path = source.folder / "transformer" / "diffusion_pytorch_model.safetensors"
    assert describe(find_model_files(str(path))).native_size
    assert painted(path) == source.digest


@pytest.mark.parametrize(("layout", "prefix"), [("authors", UNET), ("diffusers", "")])
def test_a_file_of_a_trainer_is_read(
    source: Source, layout: str, prefix: str, tmp_path: Path
) -> None:
    """Its names begin with `state_dict.`, and it has counters and the optimiser's state too."""
    tensors = nested(prefixed(prefix, getattr(source, layout)))
    tensors["optimizer_states.0.exp_avg"] = torch.ones(3, 3)
    path = write(tmp_path / "x.safetensors", tensors)
    assert painted(path) == source.digest


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_types_are_converted(
    source: Source, dtype: torch.dtype, tmp_path: Path
) -> None:
    """The device chooses the type."""
    path = write(tmp_path / "x.safetensors", source.diffusers, dtype=dtype)
    model = registry.load(str(path), select_device())
    network = model.pipeline.transformer  # type: ignore[attr-defined] # of LatentDiffusion
    for name, weight in network.state_dict().items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, source.diffusers[name].to(dtype).float()), name


@pytest.mark.parametrize("kind", ["klein", "z_image"])
@pytest.mark.parametrize("is_original_vae", [False, True])
def test_a_file_of_comfyui_with_all_networks_is_complete(
    kind: str,
    is_original_vae: bool,
    sources: dict[str, Source],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its configuration needs no weights."""
    source = sources[kind]
    parts = source.pipeline.components
    autoencoder = parts["vae"].state_dict()
    if is_original_vae:
        autoencoder = (klein_vae if kind == "klein" else vae)(parts["vae"])
    path = write(
        tmp_path / "x.safetensors",
        prefixed(UNET, source.authors)
        | prefixed("vae.", autoencoder)
        | language_model(parts["text_encoder"]),
    )
    config = copy_of_configs(source.folder, tmp_path / "config")
    monkeypatch.setenv(CONFIG, str(config))
    files = find_model_files(str(path))
    assert files.checkpoint is not None
    assert set(files.checkpoint.components) == {"transformer", "vae", "text_encoder"}
    assert describe(files).native_size
    core = load_engine_core(str(path))
    for name in ("transformer", "vae", "text_encoder"):
        network = core.model.pipeline.components[name]  # type: ignore[attr-defined]
        for key, weight in network.state_dict().items():
            assert torch.equal(weight, parts[name].state_dict()[key]), f"{name} {key}"
    assert painted(path) == source.digest


def test_single_numbers_beside_the_weights_do_not_matter(source: Source, tmp_path: Path) -> None:
    """Such as counters, and marks without data."""
    more = {"global_step": torch.tensor(7), "mark": torch.zeros(0)}
    path = write(tmp_path / "x.safetensors", source.authors | more)
    assert painted(path) == source.digest


def test_configs_are_compared_in_the_layout_of_diffusers_too(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder with another number of blocks does not fit."""
    config = copy_of_configs(source.folder, tmp_path / "config")
    file = config / "transformer" / "config.json"
    values = json.loads(file.read_text())
    key = "n_layers" if "n_layers" in values else "num_layers"
    file.write_text(json.dumps(values | {key: values[key] + 1}))
    monkeypatch.setenv(CONFIG, str(config))
    path = write(tmp_path / "x.safetensors", source.diffusers)
    assert f'The config of its transformer has "{key}": {values[key]}' in failure(path)
