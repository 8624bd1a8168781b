"""The models of a suite, each loaded when it is first used."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

import torch

from engine.bench.architectures import ARCHITECTURES
from engine.bench.small_architectures import SMALL_ARCHITECTURES
from engine.device import Device
from engine.models import registry
from engine.models.base import DiffusionModel
from engine.weights.model_folder import STARTER

Loader = Callable[[Device], DiffusionModel]
Loaders = Mapping[str, Loader]
"""Functions that load the models, by names."""


def loaders_for(device: Device) -> Loaders:
    """The starter, and models with random weights: of the real size on a GPU, else small ones. All
    but the starter on a CPU have float16 weights."""
    is_gpu = device.torch_device.type == "cuda"
    starter: Loaders = {STARTER: lambda device: registry.load(STARTER, device)}
    return {**starter, **(ARCHITECTURES if is_gpu else SMALL_FLOAT16)}


def _in_float16(load: Loader) -> Loader:
    return lambda device: load(replace(device, dtype=torch.float16))


SMALL_FLOAT16: Final[Loaders] = {
    name: _in_float16(load) for name, load in SMALL_ARCHITECTURES.items()
}
"""The small models with the precision that they have on a GPU."""


class Models:
    """The models of a suite on one device."""

    def __init__(self, device: Device, loaders: Loaders) -> None:
        self.device = device
        self._loaders = loaders
        self._loaded: dict[str, DiffusionModel] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaders)

    def __getitem__(self, name: str) -> DiffusionModel:
        """The model of this name. Raises EngineError, or an error of torch."""
        if name not in self._loaded:
            self._loaded[name] = self._loaders[name](self.device)
        return self._loaded[name]
