"""Write tiny IP-Adapters of random weights, as the project https://github.com/tencent-ailab/IP-Adapter
names them, with their image encoders."""

from pathlib import Path
from typing import Final

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

EMBEDDING: Final = 20
"""Numbers of an image's embedding."""
HIDDEN: Final = 24
"""Numbers of a token of the image encoder."""
_TOKENS: Final = 4
_PLUS_TOKENS: Final = 6
_PLUS_WIDTH: Final = 64
_PLUS_LAYERS: Final = 4


def write_ip_adapter(folder: Path, unet: UNet2DConditionModel, *, is_plus: bool = False) -> Path:
    """Write the file of an IP-Adapter for a UNet, and its image encoder beside it."""
    torch.manual_seed(30)
    width: int = unet.config.cross_attention_dim
    tensors = _resampler(width) if is_plus else _linear(width)
    sizes = [
        unet.get_submodule(name.removesuffix(".processor")).inner_dim
        for name in unet.attn_processors
        if name.endswith("attn2.processor")
    ]
    for number, size in enumerate(sizes):
        for kind in "kv":
            weight = 0.6 * torch.randn(size, width)
            tensors[f"ip_adapter.{2 * number + 1}.to_{kind}_ip.weight"] = weight
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"ip-adapter{'-plus' if is_plus else ''}_tiny.safetensors"
    save_file(tensors, path)
    save_image_encoder(folder / "image_encoder")
    return path


def save_image_encoder(folder: Path, projection: int = EMBEDDING) -> None:
    """Write a CLIP vision model with embeddings of so many numbers."""
    torch.manual_seed(31)
    image_encoder(projection).save_pretrained(folder)


def image_encoder(projection: int = EMBEDDING) -> CLIPVisionModelWithProjection:
    """A CLIP vision model with embeddings of so many numbers."""
    config = CLIPVisionConfig(
        hidden_size=HIDDEN,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        projection_dim=projection,
        initializer_factor=20.0,
    )
    return CLIPVisionModelWithProjection(config).eval()


def _linear(width: int) -> dict[str, torch.Tensor]:
    return {
        "image_proj.proj.weight": torch.randn(_TOKENS * width, EMBEDDING),
        "image_proj.proj.bias": torch.randn(_TOKENS * width),
        "image_proj.norm.weight": 1 + 0.1 * torch.randn(width),
        "image_proj.norm.bias": 0.1 * torch.randn(width),
    }


def _resampler(width: int) -> dict[str, torch.Tensor]:
    inner, heads_width = _PLUS_WIDTH, 64
    tensors = {
        "latents": torch.randn(1, _PLUS_TOKENS, inner),
        "proj_in.weight": 0.3 * torch.randn(inner, HIDDEN),
        "proj_in.bias": 0.1 * torch.randn(inner),
        "proj_out.weight": 0.3 * torch.randn(width, inner),
        "proj_out.bias": 0.1 * torch.randn(width),
        "norm_out.weight": 1 + 0.1 * torch.randn(width),
        "norm_out.bias": 0.1 * torch.randn(width),
    }
    for number in range(_PLUS_LAYERS):
        layer = {
            "0.to_q.weight": 0.2 * torch.randn(heads_width, inner),
            "0.to_kv.weight": 0.2 * torch.randn(2 * heads_width, inner),
            "0.to_out.weight": 0.2 * torch.randn(inner, heads_width),
            "1.1.weight": 0.2 * torch.randn(4 * inner, inner),
            "1.3.weight": 0.2 * torch.randn(inner, 4 * inner),
        }
        for norm in ("0.norm1", "0.norm2", "1.0"):
            layer[f"{norm}.weight"] = 1 + 0.1 * torch.randn(inner)
            layer[f"{norm}.bias"] = 0.1 * torch.randn(inner)
        tensors |= {f"layers.{number}.{name}": tensor for name, tensor in layer.items()}
    return {f"image_proj.{name}": tensor for name, tensor in tensors.items()}
