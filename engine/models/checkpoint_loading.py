"""Load a component from a single-file checkpoint, whose tensors have names of its own."""

from pathlib import Path
from typing import Any, Final

import torch
from accelerate import init_empty_weights
from diffusers import ModelMixin
from diffusers.loaders.single_file_utils import (
    create_diffusers_clip_model_from_ldm,
    create_diffusers_t5_model_from_checkpoint,
)
from safetensors import safe_open
from transformers import CLIPTextModel, CLIPTextModelWithProjection, T5EncoderModel

from engine.models.checkpoint_conversion import Tensors, fitted, named_as_diffusers
from engine.models.gguf_weights import gguf_weights
from engine.models.weight_errors import (
    check_complete,
    check_loaded,
    shape_errors,
)
from engine.weights.checkpoints import Checkpoint
from engine.weights.gguf import SUFFIX

_EMBEDDINGS: Final = "model.embed_tokens.weight"
_HEAD: Final = "lm_head.weight"
"""Of a language model as a text encoder, which does not use it."""


def load_from_checkpoint(
    component_class: Any,  # noqa: ANN401 - a class of diffusers or transformers, without types
    checkpoint: Checkpoint,
    component: str,
    config: Path,
    dtype: torch.dtype,
) -> torch.nn.Module:
    """A component of this class, whose configuration is in the folder `config`.

    Raises ValueError if weights are missing, not finite, of another shape or, in a transformer,
    unknown, or another of LOAD_ERRORS for a damaged file.
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
        with shape_errors(component):
            if issubclass(component_class, ModelMixin):
                network = _load_network(
                    component_class, checkpoint, component, tensors, config, dtype
                )
            elif issubclass(component_class, T5EncoderModel):
                t5 = create_diffusers_t5_model_from_checkpoint(component_class, tensors, **options)
                t5.set_input_embeddings(t5.shared)  # diffusers does not share it with the encoder
                network = t5.eval()
            elif issubclass(component_class, (CLIPTextModel, CLIPTextModelWithProjection)):
                network = create_diffusers_clip_model_from_ldm(component_class, tensors, **options)
            else:
                network = _load_language_model(component_class, component, tensors, config, dtype)
    except NotImplementedError as error:  # of torch, if it has to convert a missing weight
        raise ValueError(f"some weights of the {component} are missing") from error
    _check(network, component)
    return network


def _tensors(checkpoint: Checkpoint, component: str) -> Tensors:
    """The tensors of a component by their standard names."""
    if checkpoint.path.suffix.lower() == SUFFIX:
        return gguf_weights(checkpoint.path, checkpoint.components[component])
    with safe_open(checkpoint.path, framework="pt") as file:
        return {
            standard: _widened(file.get_tensor(name))
            for standard, name in checkpoint.components[component].items()
        }


def _widened(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor, in 16 bits if it has 8, with which torch does not calculate."""
    is_small = tensor.is_floating_point() and tensor.itemsize == 1
    return tensor.half() if is_small else tensor


def _load_network(
    network_class: Any,  # noqa: ANN401 - a class of diffusers, without types
    checkpoint: Checkpoint,
    component: str,
    tensors: Tensors,
    folder: Path,
    dtype: torch.dtype,
) -> torch.nn.Module:
    """A network of diffusers."""
    config = network_class.load_config(folder, local_files_only=True)
    if component == "unet":
        config = {**config, "in_channels": checkpoint.in_channels}
    with init_empty_weights():
        network: ModelMixin = network_class.from_config(config)
    shapes = {name: weight.shape for name, weight in network.state_dict().items()}
    named = named_as_diffusers(checkpoint.kind, component, tensors, network.config)
    weights = {
        name: (tensor.to(dtype) if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in fitted(component, named, shapes).items()
    }
    network.load_state_dict(weights, strict=False, assign=True)
    result: torch.nn.Module = network.to(dtype)
    return result.eval()


def _load_language_model(
    model_class: Any,  # noqa: ANN401 - a class of transformers, without types
    component: str,
    tensors: Tensors,
    folder: Path,
    dtype: torch.dtype,
) -> torch.nn.Module:
    """A language model, from tensors with the names of transformers."""
    if _HEAD not in tensors and _EMBEDDINGS in tensors:
        tensors[_HEAD] = tensors[_EMBEDDINGS]
    network, info = model_class.from_pretrained(
        None,
        config=model_class.config_class.from_json_file(folder / "config.json"),
        state_dict=tensors,
        dtype=dtype,
        use_safetensors=True,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    check_loaded(component, info)
    model: torch.nn.Module = network
    return model.eval()


def _check(network: torch.nn.Module, component: str) -> None:
    """Raise ValueError if a weight was not in the file, or is NaN or infinite."""
    check_complete(component, network)
    weights = network.state_dict()
    for name, weight in weights.items():
        if not bool(torch.isfinite(weight).all()):
            raise ValueError(f"the weight {name} of the {component} has NaN or infinite numbers")
