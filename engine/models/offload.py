"""Keep networks in the host's memory and move their layers to the device one after the other.

A model whose text encoders or denoiser do not fit on the device can then paint, but slower. The
bits of its pictures stay.
"""

import os
from collections.abc import Iterator
from enum import StrEnum
from typing import Final
from weakref import WeakSet

import torch
from diffusers import DiffusionPipeline
from diffusers.hooks import apply_group_offloading

from engine.device import Device
from engine.errors import UsageError
from engine.models.description import DENOISERS

VARIABLE: Final = "IMAGINE_OFFLOAD"
_TEXT_ENCODER: Final = "text_encoder"


class Offload(StrEnum):
    """Which networks stay in the host's memory."""

    NONE = "none"
    TEXT = "text"
    """The text encoders."""
    ALL = "all"
    """The denoiser too, whose blocks are moved in each forward pass."""


_offloaded: Final[WeakSet[torch.nn.Module]] = WeakSet()


def configured_offload() -> Offload:
    """The value of IMAGINE_OFFLOAD. Raises UsageError, with a sentence for the operator."""
    value = os.environ.get(VARIABLE, "").strip().lower()
    try:
        return Offload(value) if value else Offload.NONE
    except ValueError:
        allowed = ", ".join(Offload)
        raise UsageError(f"{VARIABLE} is {value}; it must be one of {allowed}.") from None


def is_offloaded(name: str) -> bool:
    """Whether a pipeline's network of this name stays on the host. Raises UsageError as
    `configured_offload`."""
    offload = configured_offload()
    if name in DENOISERS:
        return offload is Offload.ALL
    return name.startswith(_TEXT_ENCODER) and offload is not Offload.NONE


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
