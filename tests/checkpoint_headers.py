"""Headers of single-file checkpoints, without the weights."""

import json
from pathlib import Path
from typing import Any

Shapes = dict[str, tuple[int, ...]]
UNET = "model.diffusion_model."
CONTEXT = f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
PROJECTION = f"{UNET}input_blocks.1.1.proj_in.weight"
SD1_TEXT: Shapes = {
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (9, 768)
}
SD2_TEXT: Shapes = {"cond_stage_model.model.token_embedding.weight": (9, 1024)}
XL_TEXT: Shapes = {
    "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight": (9, 768),
    "conditioner.embedders.1.model.token_embedding.weight": (9, 1280),
}
REFINER_TEXT: Shapes = {"conditioner.embedders.0.model.token_embedding.weight": (9, 1280)}
VAE: Shapes = {"first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3)}


def unet(
    context: int = 768, *, channels: int = 4, proj_in: tuple[int, ...] = (320, 320, 1, 1)
) -> Shapes:
    """Some of the tensors of a UNet."""
    return {
        f"{UNET}input_blocks.0.0.weight": (320, channels, 3, 3),
        f"{UNET}out.2.weight": (4, 320, 3, 3),
        CONTEXT: (320, context),
        PROJECTION: proj_in,
    }


def write_header(
    path: Path, shapes: Shapes, *, dtype: str = "F16", metadata: object = None, data: int = 0
) -> Path:
    """Write a safetensors file with this header, whose tensors have no data."""
    header: dict[str, Any] = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": (0, data)}
        for name, shape in shapes.items()
    }
    if metadata is not None:
        header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    return path
