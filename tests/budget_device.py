"""A CPU that has room for only some of the models, as a GPU may have."""

import sys
from dataclasses import dataclass, field
from typing import Self

from engine.device import Device, select_device
from engine.models import registry
from engine.models.base import DiffusionModel


@dataclass(frozen=True)
class BudgetDevice(Device):
    """A CPU whose available memory is a budget minus that of the models that are on it."""

    budget: list[int] = field(default_factory=list, compare=False)
    """Bytes, as the only item once it is known."""
    models: list[DiffusionModel] = field(default_factory=list, compare=False)

    @classmethod
    def from_cpu(cls) -> Self:
        """A device with the settings of this machine's CPU, and room for any model."""
        cpu = select_device()
        return cls(cpu.torch_device, cpu.dtype, cpu.threads)

    def available_memory(self) -> int:
        """The budget, minus the memory of the resident models; any amount before it is known."""
        if not self.budget:
            return sys.maxsize
        used = sum(model.memory_bytes for model in self.models if model.is_resident)
        return sum(self.budget) - used


def load_within(names: list[str], fitting: float) -> list[DiffusionModel]:
    """Load models on a device with memory for `fitting` times the first of them."""
    device = BudgetDevice.from_cpu()
    models = registry.load_all(names, device)
    device.models.extend(models)
    device.budget.append(round(fitting * models[0].memory_bytes))
    return models
