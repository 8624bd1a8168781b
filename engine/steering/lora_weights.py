"""The weights of a LoRA on a device, and what they add to the output of a layer.

Models of one family share the tensors of a file that they have on the same device.
"""

import threading
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

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


class _Source(NamedTuple):
    """Where a tensor is from."""

    sha256: str
    """Of the file, in hex."""
    name: str
    """In the file."""
    shape: torch.Size
    """In the layer."""
    dtype: torch.dtype


_shared: Final[WeakValueDictionary[tuple[_Source, torch.device], torch.Tensor]] = (
    WeakValueDictionary()
)
"""Those in use. They are never changed."""
_lock: Final = threading.Lock()


class LowRank:
    """What a LoRA adds to one layer: `scale` times the product of its matrices and the input.

    Of a convolution, `down` has the layer's kernel, or `mid` if there is one (LoCon,
    https://github.com/KohakuBlueleaf/LyCORIS).
    """

    def __init__(
        self, tensors: Mapping[str, torch.Tensor], sources: Mapping[str, _Source], scale: float
    ) -> None:
        """`tensors` has `down`, `up`, and maybe `mid` and `bias`; `sources` says where they are
        from."""
        self._tensors = dict(tensors)
        self._sources = sources
        self.scale = scale

    def __call__(self, layer: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        """The product for these inputs of the layer, without the scale."""
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

    @property
    def tensors(self) -> Iterable[torch.Tensor]:
        """Its weights."""
        return self._tensors.values()

    def move(self, device: torch.device) -> None:
        """Have the weights on a device. Raises RuntimeError or MemoryError if they do not fit."""
        for role, source in self._sources.items():
            self._tensors[role] = _on_device(source, self._tensors[role], device)


class LoraWeights:
    """The weights of a LoRA for one model."""

    def __init__(self, name: str, layers: Mapping[tuple[str, str], LowRank]) -> None:
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
    for component, path, names, scale in layout:
        layer = networks[component].layers[path]
        tensors = {role: content[name] for role, name in names.items()}
        weights = {
            role: _shaped(layer, role, tensor).to(device.dtype)
            for role, tensor in tensors.items()
            if role != "alpha"
        }
        sources = {
            role: _Source(file.sha256, names[role], tensor.shape, tensor.dtype)
            for role, tensor in weights.items()
        }
        low_rank = LowRank(weights, sources, _scale(tensors, scale))
        low_rank.move(device.torch_device)
        if not all(bool(torch.isfinite(tensor).all()) for tensor in low_rank.tensors):
            raise InvalidJob(
                f"The LoRA {file.name} has numbers that are too large for {device.dtype}."
            )
        layers[component, path] = low_rank
    return LoraWeights(file.name, layers)


def _scale(tensors: Mapping[str, torch.Tensor], scale: float | None) -> float:
    """Of the product: by `alpha`, else `scale`."""
    if "alpha" in tensors:
        return float(tensors["alpha"]) / len(tensors["down"])
    return 1.0 if scale is None else scale


def _on_device(source: _Source, tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor that is there already, else this one, moved there."""
    with _lock:
        shared = _shared.get((source, device))
        if shared is None:
            shared = _shared[source, device] = tensor.to(device)
        return shared


def _shaped(layer: torch.nn.Module, role: str, tensor: torch.Tensor) -> torch.Tensor:
    """With the dimensions that the layer's own weight has."""
    if role == "bias":
        return tensor
    if isinstance(layer, torch.nn.Conv2d):
        return tensor if tensor.dim() == 4 else tensor[:, :, None, None]
    return tensor.reshape(tensor.shape[:2])
