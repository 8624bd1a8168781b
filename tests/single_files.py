"""Transformers in one file, as other programs write them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from diffusers import (
    DiffusionPipeline,
    Flux2KleinPipeline,
    StableDiffusion3Pipeline,
    ZImagePipeline,
)

from engine.device import select_device
from engine.errors import ModelCorrupt
from engine.models import registry
from tests import tiny_flow_models
from tests.checkpoint_writer import (
    Tensors,
    klein_tensors,
    prefixed,
    sd3_tensors,
    vae,
    z_image_tensors,
)
from tests.engine_parts import job, load_engine_core, painted_images, recipe

CONFIG = "IMAGINE_MODEL_CONFIG"
UNET = "model.diffusion_model."
QWEN = "text_encoders.qwen3_4b.transformer."


class Source(NamedTuple):
    """A tiny model as a folder, and the tensors of its transformer by the authors' names."""

    folder: Path
    pipeline: DiffusionPipeline
    authors: Tensors
    digest: str
    """Of a picture that the folder paints."""

    @property
    def diffusers(self) -> Tensors:
        """The tensors of its transformer by the names of diffusers."""
        return dict(self.pipeline.transformer.state_dict())


KINDS: dict[str, tuple[Callable[[Path], Path], type[DiffusionPipeline]]] = {
    "sd3": (tiny_flow_models.save_sd3, StableDiffusion3Pipeline),
    "klein": (tiny_flow_models.save_klein, Flux2KleinPipeline),
    "z_image": (tiny_flow_models.save_z_image, ZImagePipeline),
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    """A model of each kind, in folders of their names."""
    parent, result = tmp_path_factory.mktemp("models"), {}
    for kind, (save, pipeline_class) in KINDS.items():
        folder = save(parent / kind)
        pipeline = pipeline_class.from_pretrained(folder)
        if kind == "sd3":
            authors = sd3_tensors(pipeline, has_others=False)
            authors = {name.removeprefix(UNET): tensor for name, tensor in authors.items()}
        else:
            convert = klein_tensors if kind == "klein" else z_image_tensors
            authors = convert(pipeline.transformer)
        result[kind] = Source(folder, pipeline, authors, painted(folder))
    return result


@pytest.fixture(params=KINDS)
def source(
    request: pytest.FixtureRequest, sources: dict[str, Source], monkeypatch: pytest.MonkeyPatch
) -> Source:
    """A model, whose folder is the configuration."""
    chosen = sources[request.param]
    monkeypatch.setenv(CONFIG, str(chosen.folder))
    return chosen


def painted(path: Path) -> str:
    """The digest of a picture that this model paints."""
    core = load_engine_core(str(path))
    digest = painted_images(job(recipe(core, guidance=1.0)), core)[0].sha256
    assert digest is not None
    return digest


def failure(path: Path) -> str:
    """The sentence about a checkpoint that cannot be loaded."""
    with pytest.raises(ModelCorrupt) as excinfo:
        registry.load(str(path), select_device())
    assert "\n" not in str(excinfo.value)
    return str(excinfo.value)


def language_model(network: torch.nn.Module) -> Tensors:
    """The tensors of a text encoder as ComfyUI saves them: without the head."""
    names = network.state_dict()
    first = "" if any(name.startswith("model.") for name in names) else "model."
    members = {first + name: tensor for name, tensor in names.items() if "lm_head" not in name}
    return prefixed(QWEN, members) | {"text_encoders.qwen3_4b.logit_scale": torch.tensor(4.6)}


def klein_vae(network: torch.nn.Module) -> Tensors:
    """The tensors of the VAE of FLUX.2 as its authors name them."""
    moved = {
        f"encoder.{name}"
        if name.startswith("quant_conv.")
        else f"decoder.{name}"
        if name.startswith("post_quant_conv.")
        else name: tensor
        for name, tensor in vae(network).items()
    }
    del moved["bn.num_batches_tracked"]
    return moved


def copy_of_configs(folder: Path, other: Path) -> Path:
    """A copy of a model without the weights of its networks."""
    for file in folder.rglob("*"):
        is_weights = file.suffix == ".safetensors" and "safety" not in str(file.parent)
        if file.is_file() and not is_weights:
            target = other / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    checker = "safety_checker/model.safetensors"
    (other / checker).write_bytes((folder / checker).read_bytes())
    return other
