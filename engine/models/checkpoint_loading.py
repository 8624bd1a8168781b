"""Load a component from a single-file checkpoint, whose tensors have names of its own."""

import re
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

from engine.models.checkpoint_conversion import (
    Tensors,
    fitted,
    missing_weights,
    named_as_diffusers,
    other_shape,
)
from engine.models.gguf_weights import gguf_weights
from engine.weights.checkpoints import Checkpoint
from engine.weights.gguf import SUFFIX

_EMBEDDINGS: Final = "model.embed_tokens.weight"
_HEAD: Final = "lm_head.weight"
"""Of a language model as a text encoder, which does not use it."""
_MISMATCH: Final = re.compile(r"because (\S+) expected shape (\S.*), but got (.*?\))")
"""In what diffusers says about a weight of another shape."""
_NUMBER: Final = re.compile(r"\d+")


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
        if issubclass(component_class, ModelMixin):
            network = _load_network(component_class, checkpoint, component, tensors, config, dtype)
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
    except ValueError as error:
        if mismatch := _MISMATCH.search(str(error)):
            name, expected, actual = mismatch.groups()
            shapes = (map(int, _NUMBER.findall(shape)) for shape in (actual, expected))
            raise ValueError(other_shape(component, name, *shapes)) from error
        raise
    _check(network, component)
    return network


def _tensors(checkpoint: Checkpoint, component: str) -> Tensors:
    """The tensors of a component by their standard names."""
    if checkpoint.path.suffix.lower() == SUFFIX:
        return gguf_weights(checkpoint.path, checkpoint.components[component])
    with safe_open(checkpoint.path, framework="pt") as file:
        return {
            standard: file.get_tensor(name)
            for standard, name in checkpoint.components[component].items()
        }


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
    with init_empty_weights():
        network: torch.nn.Module = network_class.from_config(config)
    shapes = {name: weight.shape for name, weight in network.state_dict().items()}
    named = named_as_diffusers(checkpoint.kind, component, tensors, config)
    weights = {
        name: (tensor.to(dtype) if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in fitted(component, named, shapes).items()
    }
    network.load_state_dict(weights, strict=False, assign=True)
    return network.to(dtype).eval()


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
        config=model_class.config_class.from_pretrained(folder, local_files_only=True),
        state_dict=tensors,
        dtype=dtype,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    for name, actual, expected in sorted(info["mismatched_keys"]):
        raise ValueError(other_shape(component, name, actual, expected))
    if info["missing_keys"]:
        raise ValueError(missing_weights(component, info["missing_keys"]))
    model: torch.nn.Module = network
    return model.eval()


def _check(network: torch.nn.Module, component: str) -> None:
    """Raise ValueError if a weight was not in the file, or is NaN or infinite."""
    weights = network.state_dict()  # parameters, and buffers that are saved
    missing = [name for name, weight in weights.items() if weight.is_meta]
    if missing:
        raise ValueError(missing_weights(component, missing))
    for name, weight in weights.items():
        if not bool(torch.isfinite(weight).all()):
            raise ValueError(f"the weight {name} of the {component} has NaN or infinite numbers")
