"""Load a component from a single-file checkpoint, whose tensors have names of its own."""

from pathlib import Path
from typing import Any

import torch
from diffusers.loaders import FromOriginalModelMixin
from diffusers.loaders.single_file_utils import (
    create_diffusers_clip_model_from_ldm,
    create_diffusers_t5_model_from_checkpoint,
)
from safetensors import safe_open
from transformers import T5EncoderModel

from engine.weights.checkpoints import Checkpoint


def load_from_checkpoint(
    component_class: Any,  # noqa: ANN401 - a class of diffusers or transformers, without types
    checkpoint: Checkpoint,
    component: str,
    config: Path,
    dtype: torch.dtype,
) -> torch.nn.Module:
    """A component of this class, whose configuration is in the folder `config`.

    Raises ValueError if weights are missing or not finite, or another of LOAD_ERRORS for a damaged
    file.
    """
    tensors = _tensors(checkpoint, component)
    options: dict[str, Any] = {
        "config": str(config.parent),
        "subfolder": component,
        "torch_dtype": dtype,
        "local_files_only": True,
    }
    network: torch.nn.Module
    try:
        if issubclass(component_class, FromOriginalModelMixin):
            network = component_class.from_single_file(tensors, **options)
        elif issubclass(component_class, T5EncoderModel):
            t5 = create_diffusers_t5_model_from_checkpoint(component_class, tensors, **options)
            t5.set_input_embeddings(t5.shared)  # diffusers does not share it with the encoder
            network = t5.eval()
        else:
            network = create_diffusers_clip_model_from_ldm(component_class, tensors, **options)
    except NotImplementedError as error:  # of torch, if it has to convert a missing weight
        raise ValueError(f"some weights of the {component} are missing") from error
    _check(network, component)
    return network


def _tensors(checkpoint: Checkpoint, component: str) -> dict[str, torch.Tensor]:
    """The tensors of a component by their standard names."""
    with safe_open(checkpoint.path, framework="pt") as file:
        return {
            standard: file.get_tensor(name)
            for standard, name in checkpoint.components[component].items()
        }


def _check(network: torch.nn.Module, component: str) -> None:
    """Raise ValueError if a weight was not in the file, or is NaN or infinite."""
    weights = network.state_dict()  # parameters, and buffers that are saved
    if any(weight.is_meta for weight in weights.values()):
        raise ValueError(f"some weights of the {component} are missing")
    for name, weight in weights.items():
        if not bool(torch.isfinite(weight).all()):
            raise ValueError(f"the weight {name} of the {component} has NaN or infinite numbers")
