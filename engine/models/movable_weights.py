"""The weights of a model, which can be moved between the device and the host's memory."""

from collections.abc import Iterable, Iterator

import torch

from engine.device import Device


class MovableWeights:
    """The parameters and buffers of some networks.

    While they are on the host, the networks hold empty tensors, so that a use by mistake fails. The
    copy on the host is made at the first move, and kept: weights do not change.
    """

    def __init__(self, networks: Iterable[torch.nn.Module], device: Device) -> None:
        self._device = device
        self._tensors = list(_tensors(networks))
        self._on_host: list[torch.Tensor] = []
        self.bytes = sum(tensor.nbytes for tensor in self._tensors)
        """Their memory on the device."""
        self.is_resident = True
        """Whether they are on the device."""

    @torch.inference_mode(mode=False)
    def to_host(self) -> None:
        """Free their memory on the device. They must not be in use."""
        if not self.is_resident:
            return
        self._device.synchronize()  # a forward pass may still be queued
        self._on_host = self._on_host or [
            self._device.to_host(tensor.data) for tensor in self._tensors
        ]
        for tensor in self._tensors:
            tensor.data = torch.empty(0, dtype=tensor.dtype)
        self.is_resident = False

    @torch.inference_mode(mode=False)
    def to_device(self) -> None:
        """Put them back. Raises RuntimeError or MemoryError if they do not fit in memory."""
        if self.is_resident:
            return
        on_device = [tensor.to(self._device.torch_device) for tensor in self._on_host]
        for tensor, weights in zip(self._tensors, on_device, strict=True):
            tensor.data = weights
        self.is_resident = True


def _tensors(networks: Iterable[torch.nn.Module]) -> Iterator[torch.Tensor]:
    """The parameters and buffers of networks, each once."""
    ids: set[int] = set()
    for network in networks:
        for tensor in [*network.parameters(), *network.buffers()]:
            if id(tensor) not in ids:
                ids.add(id(tensor))
                yield tensor
