"""Adapters that are no product of two matrices: LoHa and LoKr (https://arxiv.org/abs/2309.14859),
and DoRA (https://arxiv.org/abs/2402.09353).

Their files have the tensors of LyCORIS (https://github.com/KohakuBlueleaf/LyCORIS) or, for DoRA,
of peft too. The change of a layer's weight is computed when the layer runs: whole, it would take
the memory of the model once more.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Any, Final

import torch
from torch.nn import functional

from engine.steering.layer_change import LayerChange

LOHA: Final = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2")
LOKR: Final = (
    *("lokr_w1", "lokr_w1_a", "lokr_w1_b"),
    *("lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"),
)
DORA: Final = "dora_scale"
"""The norms of the columns or rows of a weight, as LyCORIS has them."""
MAGNITUDE: Final = "magnitude"
"""The norms of the rows of a weight, as peft has them (`lora_magnitude_vector`)."""


class WeightChange(LayerChange):
    """What such an adapter changes; its tensors are those of `weight_change`, DORA, MAGNITUDE."""

    def add(
        self, layer: torch.nn.Module, inputs: torch.Tensor, output: torch.Tensor, scale: float
    ) -> None:
        """As the base class."""
        weight = self._change(layer, scale)
        if isinstance(layer, torch.nn.Conv2d):
            output += functional.conv2d(
                inputs,
                weight,
                stride=layer.stride,
                padding=layer.padding,
                dilation=layer.dilation,
            )
        else:
            output += functional.linear(inputs, weight)

    def _change(self, layer: torch.nn.Module, scale: float) -> torch.Tensor:
        """The change of the layer's weight."""
        parameter: Any = layer.weight
        change = weight_change(self._tensors).reshape(parameter.shape)
        magnitude, norms = self._tensors.get(MAGNITUDE), self._tensors.get(DORA)
        if magnitude is None and norms is None:
            return change * (scale * self.scale)
        weight: torch.Tensor = parameter.float()
        if magnitude is not None:  # as peft, whose norm depends on the scale
            changed = weight + change.float() * (scale * self.scale)
            return (_with_norms(changed, magnitude.flatten()) - weight).to(change.dtype)
        changed = weight + change.float() * self.scale
        return ((_with_norms(changed, self._tensors[DORA]) - weight) * scale).to(change.dtype)


def weight_change(tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The change of a weight, without its scale: its first dimension is that of the weight's, and
    it has as many numbers.

    Raises RuntimeError or KeyError if the tensors do not suit each other.
    """
    if "down" in tensors:
        up, down = (tensors[name].flatten(1) for name in ("up", "down"))
        if "mid" not in tensors:
            return up @ down
        return _tucker(tensors["mid"], up.T, down)
    if any(name in tensors for name in LOHA):
        first, second = (_factor(tensors, f"hada_w{n}", f"hada_t{n}") for n in "12")
        return first * second
    first, second = (
        tensors[name] if (name := f"lokr_w{n}") in tensors else _factor(tensors, name, f"lokr_t{n}")
        for n in "12"
    )
    first = first.reshape(*first.shape, *[1] * (second.dim() - first.dim()))
    return torch.kron(first.contiguous(), second.contiguous())


def is_product(names: Container[str]) -> bool:
    """Whether tensors of these names are a LoRA, the product of two matrices, and nothing else."""
    return not any(name in names for name in (*LOHA, *LOKR, DORA, MAGNITUDE))


def rank_of(shapes: Mapping[str, Sequence[int]]) -> int | None:
    """By which `alpha` is divided; None if the change has no scale."""
    for name in ("down", "hada_w1_b", "lokr_w2_b", "lokr_w1_b"):
        if name in shapes:
            return shapes[name][0]
    return None


def _factor(tensors: Mapping[str, torch.Tensor], name: str, core: str) -> torch.Tensor:
    """The product of two matrices, or of a core tensor and two matrices."""
    a, b = tensors[f"{name}_a"], tensors[f"{name}_b"]
    return _tucker(tensors[core], a, b) if core in tensors else a @ b.flatten(1)


def _tucker(core: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    product: torch.Tensor = torch.einsum("ij...,ip,jr->pr...", core, a, b)
    return product


def _with_norms(weight: torch.Tensor, norms: torch.Tensor) -> torch.Tensor:
    """The weight with these norms: of its rows, or of its columns if the first dimension of `norms`
    is 1 and that of the weight is not."""
    of_rows = len(norms) == len(weight)
    axes = [axis for axis in range(weight.dim()) if axis != (0 if of_rows else 1)]
    shape = [1] * weight.dim()
    shape[0 if of_rows else 1] = -1
    present: torch.Tensor = torch.linalg.vector_norm(weight, dim=axes, keepdim=True)
    return weight * (norms.float().reshape(shape) / (present + torch.finfo(weight.dtype).eps))
