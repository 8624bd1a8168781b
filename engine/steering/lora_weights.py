"""The weights of a LoRA on a device, and what they add to the output of a layer."""

from collections.abc import Iterator, Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch.nn import functional

from engine.contract import sha256
from engine.device import Device
from engine.errors import EngineError, InvalidJob
from engine.steering.lora_layout import Network, Unsuitable, layout_of
from engine.weights.header import read_header
from engine.weights.loras import LoraFile


class LowRank:
    """What a LoRA adds to one layer: `scale` times the product of its matrices and the input.

    Of a convolution, `down` has the layer's kernel, or `mid` if there is one (LoCon,
    https://github.com/KohakuBlueleaf/LyCORIS).
    """

    def __init__(
        self,
        down: torch.Tensor,
        up: torch.Tensor,
        mid: torch.Tensor | None,
        bias: torch.Tensor | None,
        scale: float,
    ) -> None:
        self.down, self.up, self.mid, self.bias = down, up, mid, bias
        self.scale = scale

    def __call__(self, layer: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        """The product for these inputs of the layer, without the scale."""
        if not isinstance(layer, torch.nn.Conv2d):
            return functional.linear(functional.linear(inputs, self.down), self.up, self.bias)
        kernel = self.down
        if self.mid is not None:
            inputs, kernel = functional.conv2d(inputs, self.down), self.mid
        hidden = functional.conv2d(
            inputs,
            kernel,
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
        )
        return functional.conv2d(hidden, self.up, self.bias)

    @property
    def tensors(self) -> Iterator[torch.Tensor]:
        """Its weights."""
        for tensor in (self.down, self.up, self.mid, self.bias):
            if tensor is not None:
                yield tensor


class LoraWeights:
    """The weights of a LoRA for one model."""

    def __init__(self, name: str, layers: Mapping[tuple[str, str], LowRank]) -> None:
        """`layers` are those of the components, by component and path."""
        self.name = name
        self.layers = layers
        self.bytes = sum(tensor.nbytes for tensor in self._tensors())

    @property
    def components(self) -> frozenset[str]:
        """The components of the pipeline that it changes."""
        return frozenset(component for component, _ in self.layers)

    @torch.inference_mode(mode=False)
    def move(self, device: torch.device) -> None:
        """Move the weights, which must not be in use, unless they are there."""
        for tensor in self._tensors():
            if tensor.device != device:
                tensor.data = tensor.data.to(device)

    def _tensors(self) -> Iterator[torch.Tensor]:
        for layer in self.layers.values():
            yield from layer.tensors


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
    for component, path, names, scale in layout:
        layer = networks[component].layers[path]
        tensors = {role: content[name] for role, name in names.items()}
        low_rank = _low_rank(layer, tensors, scale, device)
        if not all(bool(torch.isfinite(tensor).all()) for tensor in low_rank.tensors):
            raise InvalidJob(
                f"The LoRA {file.name} has numbers that are too large for {device.dtype}."
            )
        layers[component, path] = low_rank
    return LoraWeights(file.name, layers)


def _low_rank(
    layer: torch.nn.Module,
    tensors: Mapping[str, torch.Tensor],
    scale: float | None,
    device: Device,
) -> LowRank:
    rank = len(tensors["down"])
    if "alpha" in tensors:
        scale = float(tensors["alpha"]) / rank
    weights = {
        role: _shaped(layer, role, tensor).to(device.torch_device, device.dtype)
        for role, tensor in tensors.items()
        if role != "alpha"
    }
    return LowRank(
        weights["down"],
        weights["up"],
        weights.get("mid"),
        weights.get("bias"),
        1.0 if scale is None else scale,
    )


def _shaped(layer: torch.nn.Module, role: str, tensor: torch.Tensor) -> torch.Tensor:
    """With the dimensions that the layer's own weight has."""
    if role == "bias":
        return tensor
    if isinstance(layer, torch.nn.Conv2d):
        return tensor if tensor.dim() == 4 else tensor[:, :, None, None]
    return tensor.reshape(tensor.shape[:2])
