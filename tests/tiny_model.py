"""A Stable Diffusion model of random weights: all parts are real, small and quick."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
)

WIDTH: Final = 32
TOKENS: Final = 24
NEVER: Final = 2.0
"""Cosine above which this checker flags: no picture gets there."""
ALWAYS: Final = -2.0


def save(
    folder: Path,
    threshold: float = NEVER,
    change: Callable[[Any], object] | None = None,
    *,
    side: int = 8,
) -> Path:
    """Write the model as a diffusers folder; its checker flags what is above the threshold.

    `change` may do something to the pipeline first. `side` is that of its latents.
    """
    torch.manual_seed(20)
    words = folder.parent / "words"
    words.mkdir(parents=True, exist_ok=True)
    pipeline = StableDiffusionPipeline(
        vae=_autoencoder(),
        text_encoder=_text_encoder(),
        tokenizer=_tokenizer(words),
        unet=_unet(sample_size=side),
        scheduler=PNDMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            skip_prk_steps=True,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=_checker(threshold),
        feature_extractor=_extractor(),
    )
    if change is not None:
        with torch.no_grad():
            change(pipeline)
    pipeline.save_pretrained(folder)
    return folder


def save_xl(folder: Path, threshold: float = NEVER) -> Path:
    """Write an SDXL as a diffusers folder, with a checker beside it."""
    torch.manual_seed(21)
    words = folder.parent / "words"
    words.mkdir(parents=True, exist_ok=True)
    pipeline = StableDiffusionXLPipeline(
        vae=_autoencoder(),
        text_encoder=_text_encoder(),
        text_encoder_2=CLIPTextModelWithProjection(_text_config()),
        tokenizer=_tokenizer(words),
        tokenizer_2=_tokenizer(words),
        unet=_unet(
            cross_attention_dim=2 * WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + WIDTH,
            transformer_layers_per_block=(1, 2),
        ),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
        ),
        add_watermarker=False,
    )
    pipeline.save_pretrained(folder)
    _checker(threshold).save_pretrained(folder / "safety_checker")
    _extractor().save_pretrained(folder / "feature_extractor")
    return folder


def _autoencoder() -> Any:  # noqa: ANN401 - diffusers has no types
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        scaling_factor=0.5,
    )


def _unet(**changes: Any) -> Any:  # noqa: ANN401 - diffusers has no types
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


def _text_encoder() -> Any:  # noqa: ANN401 - built from an untyped config
    return CLIPTextModel(_text_config())


def _text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(_vocabulary()),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        projection_dim=WIDTH,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


def _extractor() -> Any:  # noqa: ANN401 - transformers has no types here
    return CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})


def _vocabulary() -> list[str]:
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    return ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{one}</w>" for one in letters)]


def _tokenizer(words: Path) -> Any:  # noqa: ANN401 - transformers has no types here
    vocabulary = words / "vocab.json"
    vocabulary.write_text(json.dumps({word: nth for nth, word in enumerate(_vocabulary())}))
    merges = words / "merges.txt"
    merges.write_text("#version: 0.2\n")
    return CLIPTokenizer(str(vocabulary), str(merges), model_max_length=TOKENS)


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
    config = CLIPConfig(vision_config=vision.to_dict(), projection_dim=16)
    checker = StableDiffusionSafetyChecker(config)
    with torch.no_grad():
        checker.concept_embeds.normal_()
        checker.special_care_embeds.normal_()
        checker.concept_embeds_weights.fill_(threshold)
        checker.special_care_embeds_weights.fill_(NEVER)
    return checker
