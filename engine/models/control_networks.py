"""Load the networks of controls: ControlNets and T2I-Adapters."""

import logging
from functools import partial

import diffusers
import torch
from diffusers import ControlNetUnionModel, T2IAdapter

from engine.device import Device
from engine.device.errors import load_failure
from engine.errors import ModelCorrupt
from engine.models.shared_weights import SharedWeights, load_once
from engine.models.weight_errors import check_complete, shape_errors
from engine.steering.control_networks import (
    ControlNetwork,
    FeatureAdapter,
    SingleControlNet,
    UnionControlNet,
)
from engine.weights.controls import ControlFiles
from engine.weights.model_folder import LOAD_ERRORS

log = logging.getLogger(__name__)


class LoadedControl(SharedWeights):
    """A loaded control, which several models may use."""

    def __init__(self, network: ControlNetwork, device: Device) -> None:
        super().__init__(network.parts, device)
        self.network = network


def load_control(files: ControlFiles, device: Device) -> LoadedControl:
    """The control in these files, loaded once for each device. Raises ModelCorrupt, or another
    EngineError if there is too little memory."""
    key = files.folder.resolve(), files.revision, files.variant, device.torch_device, device.dtype
    return load_once(LoadedControl, key, lambda: LoadedControl(_load(files, device), device))


def _load(files: ControlFiles, device: Device) -> ControlNetwork:
    subject = f"the control {files.name}"
    try:
        with shape_errors("network"):
            network = getattr(diffusers, files.class_name).from_pretrained(
                files.folder,
                torch_dtype=device.dtype,
                use_safetensors=True,
                variant=files.variant,
                local_files_only=True,
                low_cpu_mem_usage=True,
            )
        check_complete("network", network)
        for name, weight in network.state_dict().items():
            if not bool(torch.isfinite(weight).all()):
                raise ValueError(f"the weight {name} has NaN or infinite numbers")
        network = network.eval().requires_grad_(requires_grad=False).to(device.torch_device)
    except LOAD_ERRORS as error:
        log.debug("%s cannot be loaded", subject, exc_info=error)
        raise load_failure(error, subject, partial(_corrupt_error, files.name)) from error
    if device.torch_device.type == "cuda":
        network.to(memory_format=torch.channels_last)
    if isinstance(network, T2IAdapter):
        return FeatureAdapter(network)
    is_union = isinstance(network, ControlNetUnionModel)
    return UnionControlNet(network) if is_union else SingleControlNet(network)


def _corrupt_error(name: str, cause: str) -> ModelCorrupt:
    return ModelCorrupt(
        f"The control {name} cannot be loaded; its files are damaged or incomplete: {cause}"
    )
