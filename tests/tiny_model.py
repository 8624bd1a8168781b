"""Stable Diffusion models with real but tiny components of random weights."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionImageVariationPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
)

from engine.bench import architectures
from engine.bench.architectures import BETAS, tokenizer
from tests.ip_adapter_writer import image_encoder

WIDTH: Final = 32
TOKENS: Final = 24
NEVER: Final = architectures.NEVER
"""Cosine above which this checker flags: no picture gets there."""
ALWAYS: Final = -2.0
SHALLOW_UNET: Final[Mapping[str, Any]] = MappingProxyType({
    "block_out_channels": (16,),
    "down_block_types": ("CrossAttnDownBlock2D",),
    "mid_block_type": None,
    "up_block_types": ("CrossAttnUpBlock2D",),
})  # fmt: skip
"""Options of a UNet for tests of many forward passes, which takes half the time."""


def save(
    folder: Path,
    threshold: float = NEVER,
    change: Callable[[Any], object] | None = None,
    *,
    side: int = 8,
    unet: Mapping[str, Any] = MappingProxyType({}),
) -> Path:
    """Write the model as a diffusers folder; its checker flags images above the threshold.

    `change` may modify the pipeline before it is saved. `side` is the height and width of its
    latents. `unet` has other options of its UNet.
    """
    torch.manual_seed(20)
    pipeline = StableDiffusionPipeline(
        vae=_autoencoder(),
        text_encoder=CLIPTextModel(text_config()),
        tokenizer=tokenizer(TOKENS),
        unet=_unet(sample_size=side, **unet),
        scheduler=PNDMScheduler(
            **BETAS, skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1
        ),
        safety_checker=_checker(threshold),
        feature_extractor=_extractor(),
    )
    if change is not None:
        with torch.no_grad():
            change(pipeline)
    pipeline.save_pretrained(folder)
    return folder


def save_too_large(folder: Path) -> Path:
    """Write the model with a file of weights that has a hole of 4 TB. Skips the test if the file
    system has no files of this size."""
    path = save(folder) / "unet" / "diffusion_pytorch_model.safetensors"
    size = 4 * 10**12
    tensor = {"dtype": "F32", "shape": [10**12], "data_offsets": [0, size]}
    header = json.dumps({"x": tensor}).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        try:
            file.truncate(8 + len(header) + size)
        except OSError:
            pytest.skip("the file system has no files of this size")
    return folder


def break_checker(pipeline: StableDiffusionPipeline) -> None:
    """Make the pipeline's safety checker compute NaN."""
    pipeline.safety_checker.visual_projection.weight.fill_(float("nan"))


def save_xl(
    folder: Path,
    threshold: float = NEVER,
    *,
    unet: Mapping[str, Any] = MappingProxyType({}),
) -> Path:
    """Write an SDXL model as a diffusers folder, with a safety checker beside it. `unet` has other
    options of its UNet."""
    torch.manual_seed(21)
    pipeline = StableDiffusionXLPipeline(
        vae=_autoencoder(),
        text_encoder=CLIPTextModel(text_config()),
        text_encoder_2=CLIPTextModelWithProjection(text_config()),
        tokenizer=tokenizer(TOKENS),
        tokenizer_2=tokenizer(TOKENS),
        unet=_unet(
            cross_attention_dim=2 * WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + WIDTH,
            transformer_layers_per_block=(1, 2),
            **unet,
        ),
        scheduler=EulerDiscreteScheduler(**BETAS, steps_offset=1),
        add_watermarker=False,
    )
    pipeline.save_pretrained(folder)
    save_checker(folder, threshold)
    return folder


def save_variation(folder: Path, threshold: float = NEVER) -> Path:
    """Write a model of image variations as a diffusers folder, with a checker."""
    torch.manual_seed(22)
    encoder = image_encoder()
    pipeline = StableDiffusionImageVariationPipeline(
        vae=_autoencoder(),
        image_encoder=encoder,
        unet=_unet(cross_attention_dim=encoder.config.projection_dim),
        scheduler=PNDMScheduler(
            **BETAS, skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1
        ),
        safety_checker=_checker(threshold),
        feature_extractor=_extractor(),
    )
    pipeline.save_pretrained(folder)
    return folder


def save_checker(folder: Path, threshold: float = NEVER) -> None:
    """Write a safety checker into the folder of a model that has none of its own."""
    _checker(threshold).save_pretrained(folder / "safety_checker")
    _extractor().save_pretrained(folder / "feature_extractor")


def _autoencoder() -> AutoencoderKL:
    return architectures.autoencoder(
        block_out_channels=(8, 8, 16, 16), layers_per_block=1, norm_num_groups=4, scaling_factor=0.5
    )


def _unet(**changes: object) -> UNet2DConditionModel:
    options: dict[str, Any] = {
        "sample_size": 8,
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 8,
        "norm_num_groups": 4,
    }
    return UNet2DConditionModel(**(options | changes))


def text_config() -> CLIPTextConfig:
    """The config of a text encoder."""
    return architectures.text_config(
        WIDTH,
        layers=2,
        heads=2,
        vocab_size=len(architectures.vocabulary()),
        intermediate_size=WIDTH,
        max_position_embeddings=TOKENS,
    )


def _extractor() -> CLIPImageProcessor:
    return CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})


def _checker(threshold: float) -> Any:  # noqa: ANN401 - built from an untyped config
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        projection_dim=16,
    )
    return architectures.checker(vision, threshold)
