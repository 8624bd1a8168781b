"""What an adapter changes in the output of one layer, and its tensors on a device.

Models of one family share the tensors of a file that they have on the same device.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

import torch


class TensorSource(NamedTuple):
    """Where a tensor is from."""

    sha256: str
    """Of the file, in hex."""
    name: str
    """In the file."""
    shape: torch.Size
    """In the layer."""
    dtype: torch.dtype


_shared: Final[WeakValueDictionary[tuple[TensorSource, torch.device], torch.Tensor]] = (
    WeakValueDictionary()
)
"""Those in use. They are never changed."""
_lock: Final = threading.Lock()


class LayerChange(ABC):
    """What an adapter changes in the output of one layer."""

    def __init__(
        self,
        tensors: Mapping[str, torch.Tensor],
        sources: Mapping[str, TensorSource],
        scale: float,
    ) -> None:
        """`sources` says where the tensors are from; the change is multiplied by `scale`."""
        self._tensors = dict(tensors)
        self._sources = sources
        self.scale = scale

    @abstractmethod
    def add(
        self, layer: torch.nn.Module, inputs: torch.Tensor, output: torch.Tensor, scale: float
    ) -> None:
        """Add the change for these inputs to the output of the layer, in place; `scale` is that of
        the image's adapter."""

    @property
    def tensors(self) -> Iterable[torch.Tensor]:
        """Its weights."""
        return self._tensors.values()

    def move(self, device: torch.device) -> None:
        """Have the weights on a device. Raises RuntimeError or MemoryError if they do not fit."""
        for role, source in self._sources.items():
            self._tensors[role] = _on_device(source, self._tensors[role], device)


def _on_device(source: TensorSource, tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor that is there already, else this one, moved there."""
    with _lock:
        shared = _shared.get((source, device))
        if shared is None:
            shared = _shared[source, device] = tensor.to(device)
        return shared
