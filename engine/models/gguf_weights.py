"""The weights in GGUF files, as numbers: diffusers' own functions unpack them."""

import math
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import torch

from engine.errors import MissingDependency
from engine.weights.gguf import TYPES, GgufTensor, read_gguf

_PLAIN: Final = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def gguf_weights(path: Path, names: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """The tensors with these names in a file, by their standard names.

    Raises MissingDependency, with a sentence for the operator, if they are quantised and the
    package `gguf` is not installed; or as `read_gguf`.
    """
    tensors = read_gguf(path, path.name)
    is_packed = any(TYPES[tensors[name].type].name not in _PLAIN for name in names.values())
    if is_packed and find_spec("gguf") is None:
        raise MissingDependency(
            f"The file {path.name} is quantised (GGUF), for which the package gguf is needed: "
            "install it."
        )
    size = path.stat().st_size
    data = torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)
    return {standard: numbers_of(data, tensors[name]) for standard, name in names.items()}


def numbers_of(data: torch.Tensor, tensor: GgufTensor) -> torch.Tensor:
    """A tensor as numbers of 16 or 32 bits, in a copy. The file is `data`."""
    type = TYPES[tensor.type]
    stored = data[tensor.start : tensor.start + tensor.bytes].clone()
    if type.name in _PLAIN:
        return stored.view(_PLAIN[type.name]).reshape(tensor.shape)
    from diffusers.quantizers.gguf.utils import GGUFParameter, dequantize_gguf_tensor
    from gguf import GGMLQuantizationType

    rows = math.prod(tensor.stored_shape[:-1])
    packed = GGUFParameter(stored.reshape(rows, -1), quant_type=GGMLQuantizationType(tensor.type))
    numbers: torch.Tensor = dequantize_gguf_tensor(packed)
    return numbers.reshape(tensor.shape)
