"""Files with random weights that steer a model, for measurements: their speed is that of others."""

from pathlib import Path
from typing import Final

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from safetensors.torch import save_file

RANK: Final = 16
CONTROL: Final = "scribble"
_ATTENTION: Final = ("to_q", "to_k", "to_v", "to_out.0")


def write_lora(file: Path, unet: UNet2DConditionModel, seed: int = 1) -> None:
    """Write a LoRA for the attention layers of a UNet, in float16, as diffusers names them."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, layer in unet.named_modules():
        if isinstance(layer, torch.nn.Linear) and name.endswith(_ATTENTION):
            for role, shape in (
                ("A", (RANK, layer.in_features)),
                ("B", (layer.out_features, RANK)),
            ):
                weight = torch.randn(shape, generator=generator) * shape[1] ** -0.5
                tensors[f"unet.{name}.lora_{role}.weight"] = weight.half()
    save_file(tensors, file)


def write_control(folder: Path, unet: UNet2DConditionModel) -> None:
    """Write a ControlNet with the weights of a UNet, as one is before its training."""
    ControlNetModel.from_unet(unet).save_pretrained(folder)
