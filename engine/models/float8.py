"""Networks whose weights are stored in 8-bit floating-point numbers.

A layer converts them when it runs, and computes in the precision of its input. The same layers
have the same numbers as with diffusers' `enable_layerwise_casting`. That converts the weights in
place, before and after a layer; here they never change, so that several threads can use a layer and
a captured forward pass has its own conversions.
"""

import re
from typing import Final

import torch
from diffusers import ModelMixin
from diffusers.hooks.layerwise_casting import DEFAULT_SKIP_MODULES_PATTERN
from torch.nn import functional

_FLOAT8: Final = torch.float8_e4m3fn
_LARGEST: Final = torch.finfo(_FLOAT8).max


class Float8Linear(torch.nn.Linear):
    """A linear layer with such weights."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """As that of its base class."""
        bias = None if self.bias is None else self.bias.to(inputs.dtype)
        return functional.linear(inputs, self.weight.to(inputs.dtype), bias)


class Float8Conv2d(torch.nn.Conv2d):
    """A convolution with such weights."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """As that of its base class."""
        bias = None if self.bias is None else self.bias.to(inputs.dtype)
        outputs: torch.Tensor = self._conv_forward(inputs, self.weight.to(inputs.dtype), bias)
        return outputs


_CLASSES: Final = {torch.nn.Linear: Float8Linear, torch.nn.Conv2d: Float8Conv2d}


def store_in_float8(network: ModelMixin) -> None:
    """Convert the weights of the layers that diffusers does not leave out; quantised ones stay.

    Raises ValueError if a weight is too large.
    """
    if network.config.get("quantization_config") is not None:
        return
    skipped = (*DEFAULT_SKIP_MODULES_PATTERN, *(network._skip_layerwise_casting_patterns or ()))
    for name, module in network.named_modules():
        stored = _CLASSES.get(type(module))
        is_skipped = any(re.search(pattern, part) for part in _paths(name) for pattern in skipped)
        if stored is None or is_skipped:
            continue
        for parameter in module.parameters(recurse=False):
            if parameter.abs().max() > _LARGEST:
                raise ValueError(f"a weight of {name} is too large for 8 bits")
            parameter.data = parameter.data.to(_FLOAT8)
        module.__class__ = stored


def is_in_float8(network: torch.nn.Module) -> bool:
    """Whether `store_in_float8` has converted weights of the network."""
    return any(isinstance(module, tuple(_CLASSES.values())) for module in network.modules())


def _paths(name: str) -> list[str]:
    """The names of a layer and of what it is in: `a`, `a.b` and `a.b.c`."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
