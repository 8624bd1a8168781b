"""ControlNets and T2I-Adapters with random weights for the tiny models."""

from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel, ControlNetUnionModel, T2IAdapter, UNet2DConditionModel

EMBEDDING = (4, 8, 8, 8)
"""Channels of the part that reads control images."""


def save_control(folder: Path, model: Path, seed: int = 1, **config: object) -> Path:
    """Write a ControlNet for the model in this folder."""
    torch.manual_seed(seed)
    network = ControlNetModel.from_unet(_unet(model), conditioning_embedding_out_channels=EMBEDDING)
    for name, value in config.items():
        network.register_to_config(**{name: value})
    return _save(network, folder)


def save_union(folder: Path, model: Path, types: int = 6) -> Path:
    """Write a ControlNet-Union for the model in this folder."""
    torch.manual_seed(2)
    unet = _unet(model)
    keys = {
        *("in_channels", "down_block_types", "block_out_channels", "layers_per_block"),
        *("norm_num_groups", "cross_attention_dim", "attention_head_dim", "addition_embed_type"),
        *("addition_time_embed_dim", "projection_class_embeddings_input_dim"),
        *("transformer_layers_per_block", "use_linear_projection"),
    }
    network = ControlNetUnionModel(
        **{key: unet.config[key] for key in keys},
        conditioning_embedding_out_channels=EMBEDDING,
        num_control_type=types,
        num_trans_channel=16,
        num_trans_head=2,
        num_trans_layer=1,
        num_proj_channel=16,
    )
    return _save(network, folder)


def save_xl_adapter(folder: Path, seed: int = 3, **changes: object) -> Path:
    """Write a T2I-Adapter for a model whose first block has no attention."""
    options = {"adapter_type": "full_adapter_xl", "downscale_factor": 16}
    return save_adapter(folder, seed, **options, **changes)


def save_adapter(folder: Path, seed: int = 3, **changes: object) -> Path:
    """Write a T2I-Adapter for a model with blocks of 16 and 32 channels, with attention in the
    first one."""
    torch.manual_seed(seed)
    options: dict[str, Any] = {
        "in_channels": 3,
        "channels": [16, 32],
        "num_res_blocks": 1,
        "downscale_factor": 8,
        "adapter_type": "full_adapter",
    }
    return _save(T2IAdapter(**(options | changes)), folder)


def _unet(model: Path) -> UNet2DConditionModel:
    return UNet2DConditionModel.from_pretrained(model / "unet")


def _save(network: Any, folder: Path) -> Path:  # noqa: ANN401 - a network of diffusers
    """Save a network whose output is as large as that of a trained one: its last layers, which are
    zero at first, are random."""
    with torch.no_grad():
        for weight in network.parameters():
            if not weight.any():
                weight.normal_(0, 0.1)
    network.save_pretrained(folder)
    return folder
