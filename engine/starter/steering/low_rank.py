"""LoRAs of a UNet: their training as parametrizations, and their names in files."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

RANK: Final = 8
ALPHA: Final = 4.0
"""A LoRA is multiplied by ALPHA / RANK."""
_MODULES: Final = (
    "to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out",
    "conv1", "conv2",
)  # fmt: skip
"""The ends of the names of the modules that are changed: those of attention, and the convolutions
of residual blocks."""
KOHYA_PREFIX: Final = "lora_unet_"
LICENSE: Final = "mit"


class LowRank(nn.Module):
    """Adds a matrix of rank RANK to the weight of a linear layer or convolution."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        flat = weight.flatten(1)
        self.down = nn.Parameter(torch.empty(RANK, flat.shape[1]))
        self.up = nn.Parameter(torch.zeros(flat.shape[0], RANK))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (ALPHA / RANK) * (self.up @ self.down).view_as(weight)


class Lora(nn.Module):
    """The low-rank matrices of a UNet."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self._shapes = {name: weight.shape for name, weight in _changed_weights(unet)}
        self._named = {name: LowRank(weight) for name, weight in _changed_weights(unet)}
        self.parts = nn.ModuleDict(
            {name.replace(".", "/"): part for name, part in self._named.items()}
        )

    def attach(self, unet: UNet2DConditionModel) -> None:
        """From now on, the UNet has the weights that the LoRA changes."""
        for name, part in self._named.items():
            parametrize.register_parametrization(unet.get_submodule(name), "weight", part)

    def matrices(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Names of modules, with the matrices down and up in the shapes of layers."""
        for name, shape in self._shapes.items():
            part = self._named[name]
            down = part.down.detach().reshape(RANK, *shape[1:])
            up = part.up.detach().reshape(-1, RANK, *[1] * (len(shape) - 2))
            yield name, down, up


def _changed_weights(unet: UNet2DConditionModel) -> Iterator[tuple[str, Tensor]]:
    for name, module in unet.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)) and name.endswith(_MODULES):
            yield name, module.weight


def save_diffusers(lora: Lora, file: Path, metadata: Mapping[str, str]) -> None:
    """Write the LoRA in fp16, with diffusers' names of its tensors."""
    tensors = {}
    for name, down, up in lora.matrices():
        tensors[f"unet.{name}.lora_A.weight"] = _stored(down)
        tensors[f"unet.{name}.lora_B.weight"] = _stored(up * (ALPHA / RANK))
    _save(tensors, file, metadata)


def save_kohya(lora: Lora, file: Path, metadata: Mapping[str, str]) -> None:
    """Write the LoRA in fp16, with the names of tensors of kohya's trainer."""
    tensors = {}
    for name, down, up in lora.matrices():
        key = KOHYA_PREFIX + name.replace(".", "_")
        tensors[f"{key}.lora_down.weight"] = _stored(down)
        tensors[f"{key}.lora_up.weight"] = _stored(up)
        tensors[f"{key}.alpha"] = torch.tensor(ALPHA, dtype=torch.float16)
    of_trainer = {
        "ss_base_model_version": "sd_v1",
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(RANK),
        "ss_network_alpha": str(ALPHA),
        "ss_network_args": json.dumps({"conv_dim": str(RANK), "conv_alpha": str(ALPHA)}),
    }
    _save(tensors, file, of_trainer | dict(metadata))


def modelspec(title: str, trigger: str) -> dict[str, str]:
    """The metadata of a LoRA as the Stability AI Model Metadata Standard names them."""
    return {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.title": title,
        "modelspec.trigger_phrase": trigger,
        "modelspec.license": LICENSE,
    }


def tag_frequency(folder: str, counts: Mapping[str, int]) -> dict[str, str]:
    """The metadata in which kohya's trainer says how often each tag was in the captions."""
    return {"ss_tag_frequency": json.dumps({folder: dict(counts)})}


def _stored(tensor: Tensor) -> Tensor:
    return tensor.half().cpu().contiguous()


def _save(tensors: dict[str, Tensor], file: Path, metadata: Mapping[str, str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file, dict(metadata))
