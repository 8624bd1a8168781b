"""Run the operations between a network's convolutions by the device's fused kernels.

They have the results of diffusers' modules, up to rounding. Modules of other kinds than those here
stay as they are.
"""

from collections.abc import Callable
from functools import partial

import torch
from diffusers.models.activations import GEGLU
from diffusers.models.resnet import ResnetBlock2D
from torch.nn import functional as F

from engine.device import triton_kernels

Forward = Callable[[torch.Tensor], torch.Tensor]


def fuse_operations(network: torch.nn.Module) -> None:
    """Let the blocks, normalisations and activations of a network use the fused kernels."""
    for module in network.modules():
        if isinstance(module, ResnetBlock2D) and _is_plain(module):
            module.forward = partial(_resnet_block, module)
        elif isinstance(module, torch.nn.GroupNorm) and module.affine:
            module.forward = partial(_group_norm, module, module.forward)  # type: ignore[method-assign] # an instance attribute takes precedence in Module.__call__
        elif isinstance(module, GEGLU):
            module.forward = partial(_geglu, module)


def _is_plain(block: ResnetBlock2D) -> bool:
    """Whether it is of the kind that Stable Diffusion has."""
    return (
        block.time_embedding_norm == "default"
        and isinstance(block.nonlinearity, torch.nn.SiLU)
        and block.upsample is None
        and block.downsample is None
    )


def _resnet_block(
    block: ResnetBlock2D, hidden_states: torch.Tensor, temb: torch.Tensor | None = None
) -> torch.Tensor:
    residual = hidden_states
    hidden_states = block.conv1(_normalised(hidden_states, block.norm1, silu=True))
    if temb is not None and block.time_emb_proj is not None:
        temb = block.time_emb_proj(temb if block.skip_time_act else F.silu(temb))
    hidden_states = block.conv2(_normalised(hidden_states, block.norm2, temb, silu=True))
    if block.conv_shortcut is not None:
        residual = block.conv_shortcut(residual)
    total = residual + hidden_states
    return total if block.output_scale_factor == 1.0 else total / block.output_scale_factor


def _normalised(
    x: torch.Tensor, norm: torch.nn.GroupNorm, added: torch.Tensor | None = None, *, silu: bool
) -> torch.Tensor:
    x = x.contiguous(memory_format=torch.channels_last)
    return triton_kernels.group_norm(x, norm, added, silu=silu)


def _group_norm(norm: torch.nn.GroupNorm, forward: Forward, x: torch.Tensor) -> torch.Tensor:
    return _normalised(x, norm, silu=False) if x.dim() == 4 else forward(x)


def _geglu(module: GEGLU, hidden_states: torch.Tensor) -> torch.Tensor:
    return triton_kernels.geglu(module.proj(hidden_states).contiguous())
