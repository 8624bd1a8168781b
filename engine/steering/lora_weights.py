"""The weights of a LoRA on a device, and what they add to the output of a layer."""

from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch.nn import functional

from engine.contract import sha256
from engine.device import Device
from engine.errors import EngineError, InvalidJob
from engine.steering.layer_change import LayerChange, TensorSource
from engine.steering.lora_layout import LayerTensors, Network, Unsuitable, layout_of
from engine.steering.weight_changes import WeightChange, is_product, rank_of
from engine.weights.header import read_header
from engine.weights.loras import LoraFile


class LowRank(LayerChange):
    """The product of two matrices, `down` and `up`, and the input; `bias` is added to it.

    Of a convolution, `down` has the layer's kernel, or `mid` if there is one (LoCon,
    https://github.com/KohakuBlueleaf/LyCORIS).
    """

    def add(
        self, layer: torch.nn.Module, inputs: torch.Tensor, output: torch.Tensor, scale: float
    ) -> None:
        """As the base class."""
        output.add_(self._product(layer, inputs), alpha=scale * self.scale)

    def _product(self, layer: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        down, up = self._tensors["down"], self._tensors["up"]
        mid, bias = self._tensors.get("mid"), self._tensors.get("bias")
        if not isinstance(layer, torch.nn.Conv2d):
            return functional.linear(functional.linear(inputs, down), up, bias)
        kernel = down
        if mid is not None:
            inputs, kernel = functional.conv2d(inputs, down), mid
        hidden = functional.conv2d(
            inputs,
            kernel,
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
        )
        return functional.conv2d(hidden, up, bias)


class LoraWeights:
    """The weights of a LoRA for one model."""

    def __init__(self, name: str, layers: Mapping[tuple[str, str], LayerChange]) -> None:
        """`layers` are those of the components, by component and path."""
        self.name = name
        self.layers = layers
        self.bytes = sum(tensor.nbytes for layer in layers.values() for tensor in layer.tensors)

    @property
    def components(self) -> frozenset[str]:
        """The components of the pipeline that it changes."""
        return frozenset(component for component, _ in self.layers)

    @torch.inference_mode(mode=False)
    def move(self, device: torch.device) -> None:
        """Have the weights, which must not be in use, on a device; other models that share them
        keep theirs. Raises RuntimeError or MemoryError if they do not fit."""
        for layer in self.layers.values():
            layer.move(device)


@torch.inference_mode(mode=False)
def load_weights(file: LoraFile, networks: Mapping[str, Network], device: Device) -> LoraWeights:
    """Read the weights of a LoRA, in the device's precision.

    Raises InvalidJob, with a sentence for the user, if the file was removed or changed, or has
    numbers that are too large for the precision; RuntimeError or MemoryError if the weights do not
    fit in memory.
    """
    try:
        layout = layout_of(file, read_header(file.path, file.name), networks)
        data = file.path.read_bytes()
        if sha256(data) != file.sha256:
            raise InvalidJob(f"The LoRA {file.name} was replaced just now. Try again.")
        content = load(data)
    except (OSError, EngineError, Unsuitable, SafetensorError) as error:
        raise InvalidJob(f"The LoRA {file.name} cannot be read any more.") from error
    layers = {}
    for place in layout:
        layer = networks[place.component].layers[place.path]
        change = _layer_change(file, place, layer, content, device)
        if not all(bool(torch.isfinite(tensor).all()) for tensor in change.tensors):
            raise InvalidJob(
                f"The LoRA {file.name} has numbers that are too large for {device.dtype}."
            )
        layers[place.component, place.path] = change
    return LoraWeights(file.name, layers)


def _layer_change(
    file: LoraFile,
    place: LayerTensors,
    layer: torch.nn.Module,
    content: Mapping[str, torch.Tensor],
    device: Device,
) -> LayerChange:
    """`content` has all tensors of the file."""
    names = {role: name for role, name in place.tensors.items() if role != "alpha"}
    is_low_rank = is_product(names)
    weights = {
        role: (_shaped(layer, role, content[name]) if is_low_rank else content[name]).to(
            device.dtype
        )
        for role, name in names.items()
    }
    sources = {
        role: TensorSource(file.sha256, names[role], tensor.shape, tensor.dtype)
        for role, tensor in weights.items()
    }
    scale = 1.0 if place.scale is None else place.scale
    rank = rank_of({role: tensor.shape for role, tensor in weights.items()})
    if "alpha" in place.tensors and rank is not None:
        scale = float(content[place.tensors["alpha"]]) / rank
    kind = LowRank if is_low_rank else WeightChange
    change = kind(weights, sources, scale)
    change.move(device.torch_device)
    return change


def _shaped(layer: torch.nn.Module, role: str, tensor: torch.Tensor) -> torch.Tensor:
    """With the dimensions that the layer's own weight has."""
    if role == "bias":
        return tensor
    if isinstance(layer, torch.nn.Conv2d):
        return tensor if tensor.dim() == 4 else tensor[:, :, None, None]
    return tensor.reshape(tensor.shape[:2])
