"""Keep networks in the host's memory and move their layers to the device one after the other.

A model whose text encoders or denoiser do not fit on the device can then paint, but slower. The
bits of its pictures stay.
"""

from collections.abc import Iterator
from typing import Final
from weakref import WeakSet

import torch
from diffusers import DiffusionPipeline
from diffusers.hooks import apply_group_offloading

from engine.device import Device
from engine.models.description import DENOISERS
from engine.models.offload_setting import is_offloaded

_offloaded: Final[WeakSet[torch.nn.Module]] = WeakSet()


def place(pipeline: DiffusionPipeline, device: Device) -> None:
    """Move the networks of a pipeline to the device, except those that stay on the host."""
    for name, network in _networks(pipeline):
        if is_offloaded(name):
            _stream(network, device, "block_level" if name in DENOISERS else "leaf_level")
        else:
            network.to(device.torch_device)


def resident_networks(pipeline: DiffusionPipeline) -> list[torch.nn.Module]:
    """The networks of a pipeline that are on the device as a whole."""
    return [network for _, network in _networks(pipeline) if network not in _offloaded]


def _networks(pipeline: DiffusionPipeline) -> Iterator[tuple[str, torch.nn.Module]]:
    for name, component in pipeline.components.items():
        if isinstance(component, torch.nn.Module):
            yield name, component


def _stream(network: torch.nn.Module, device: Device, level: str) -> None:
    apply_group_offloading(
        network,
        onload_device=device.torch_device,
        offload_device=torch.device("cpu"),
        offload_type=level,
        num_blocks_per_group=1,
    )
    _offloaded.add(network)
