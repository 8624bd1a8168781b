"""The IP-Adapter that fits a model which is not loaded."""

import torch
from diffusers import UNet2DConditionModel

from engine.errors import EngineError
from engine.models.description import family_of, read_config
from engine.models.ip_adapters import ip_adapter_names, layers_of
from engine.weights.ip_adapters import find_ip_adapter, image_encoder_of
from engine.weights.model_files import ModelFiles


def fitting_ip_adapter(files: ModelFiles) -> str | None:
    """The name of the IP-Adapter that the model would use; None if there is none, if it is damaged
    or if it is not on this machine.

    Raises one of LOAD_ERRORS if the model's configs are damaged.
    """
    names, family = ip_adapter_names(files), family_of(files)
    if not names or not family.ip_adapter:
        return None
    with torch.device("meta"):  # layers without weights
        layers = layers_of(UNet2DConditionModel.from_config(read_config(files, "unet")))
    try:
        for name in names:
            file = find_ip_adapter(name, layers, family.ip_adapter, download=False)
            if file is not None:
                image_encoder_of(file)
                return file.name
    except EngineError:
        return None
    return None
