"""The names of tensors in a single-file checkpoint, as its authors' own code has them."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from diffusers import UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel

UNET: Final = "model.diffusion_model."
TEXT_ENCODER: Final = "cond_stage_model.transformer.text_model."
_UNET: Final = {
    "conv_in.": "input_blocks.0.0.",
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "add_embedding.linear_1.": "label_emb.0.0.",
    "add_embedding.linear_2.": "label_emb.0.2.",
    "mid_block.resnets.0.": "middle_block.0.",
    "mid_block.attentions.0.": "middle_block.1.",
    "mid_block.resnets.1.": "middle_block.2.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
}
_RESNET: Final = {
    "norm1.": "in_layers.0.",
    "conv1.": "in_layers.2.",
    "time_emb_proj.": "emb_layers.1.",
    "norm2.": "out_layers.0.",
    "conv2.": "out_layers.3.",
    "conv_shortcut.": "skip_connection.",
}


def unet_tensors(network: UNet2DConditionModel) -> dict[str, Tensor]:
    """The tensors of a UNet by their names in a checkpoint."""
    names = checkpoint_names(network)
    return {names[name]: tensor for name, tensor in network.state_dict().items()}


def text_encoder_tensors(network: CLIPTextModel) -> dict[str, Tensor]:
    """The tensors of a text encoder by their names in a checkpoint of Stable Diffusion 1."""
    return {
        f"{TEXT_ENCODER}{name.removeprefix('text_model.')}": tensor
        for name, tensor in network.state_dict().items()
    }


def checkpoint_names(network: UNet2DConditionModel) -> dict[str, str]:
    """The names in a checkpoint of a UNet's tensors, by diffusers' names."""
    config = network.config
    per_block = config.layers_per_block + 1
    return {
        name: UNET + _unet_name(name, per_block, config.down_block_types, config.up_block_types)
        for name in network.state_dict()
    }


def _unet_name(
    name: str, per_block: int, down_types: Iterable[str], up_types: Iterable[str]
) -> str:
    match = re.match(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.*)", name)
    if match is None:
        return _resnet_name(replaced(name, _UNET))
    block, layer, rest = int(match[2]), int(match[4]), match[5]
    is_down = match[1] == "down"
    types = [*(down_types if is_down else up_types)]
    place = "input_blocks" if is_down else "output_blocks"
    first = block * per_block + (1 if is_down else 0)
    if match[3] == "downsamplers":
        return f"{place}.{first + per_block - 1}.0.{rest.replace('conv.', 'op.')}"
    if match[3] == "upsamplers":
        return f"{place}.{first + per_block - 1}.{2 if 'Attn' in types[block] else 1}.{rest}"
    part = 0 if match[3] == "resnets" else 1
    return f"{place}.{first + layer}.{part}.{rest if part else _resnet_name(rest)}"


def _resnet_name(name: str) -> str:
    return name if "transformer_blocks" in name else replaced(name, _RESNET)


def replaced(name: str, table: Mapping[str, str]) -> str:
    """A name of a tensor with the parts that begin as the keys of this table replaced."""
    for old, new in table.items():
        name = re.sub(rf"(^|\.){re.escape(old)}", rf"\g<1>{new}", name)
    return name
