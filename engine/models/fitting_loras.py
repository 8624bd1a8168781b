"""The LoRAs that fit a model which is not loaded."""

from collections.abc import Mapping
from typing import Any, Final

import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from engine.errors import EngineError
from engine.models.description import family_of, read_config
from engine.steering.lora_layout import UNET, Network, Unsuitable, layout_of
from engine.weights.header import read_header
from engine.weights.loras import LoraFile, find_loras, lora_folders
from engine.weights.model_files import ModelFiles

_ENCODERS: Final[Mapping[str, type[torch.nn.Module]]] = {
    "text_encoder": CLIPTextModel,
    "text_encoder_2": CLIPTextModelWithProjection,
}


def fitting_loras(files: ModelFiles) -> tuple[str, ...]:
    """The names of the configured LoRAs that fit, by the names and shapes of their tensors.

    Raises UsageError if a folder of LoRAs does not exist, or one of LOAD_ERRORS if the model's
    configs are damaged.
    """
    loras = find_loras(lora_folders(files.name)).files
    family = family_of(files)
    if not loras or family.denoiser != UNet2DConditionModel.__name__:
        return ()
    with torch.device("meta"):  # layers without weights
        components = {UNET: UNet2DConditionModel.from_config(read_config(files, UNET))}
        for name in family.embedded_encoders:
            config: Any = CLIPTextConfig(**read_config(files, name))
            components[name] = _ENCODERS[name](config)
    networks = {name: Network.of(component) for name, component in components.items()}
    return tuple(name for name, file in loras.items() if _fits(file, networks))


def _fits(file: LoraFile, networks: Mapping[str, Network]) -> bool:
    try:
        layout_of(file, read_header(file.path, file.name), networks)
    except (EngineError, Unsuitable):
        return False
    return True
