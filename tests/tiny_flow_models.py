"""Models with flow matching, with real but tiny components of random weights."""

from pathlib import Path
from typing import Any, Final

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from transformers import CLIPTextModelWithProjection, T5Config, T5EncoderModel, T5Tokenizer

from engine.bench import architectures
from engine.bench.architectures import tokenizer
from tests import tiny_model

WIDTH: Final = tiny_model.WIDTH
_LATENT_CHANNELS: Final = 16


def save_sd3(folder: Path, *, has_t5: bool = True, **scheduler: Any) -> Path:  # noqa: ANN401 - as the class
    """Write a Stable Diffusion 3.5 as a diffusers folder, with a safety checker beside it.

    `scheduler` has other options of its scheduler.
    """
    torch.manual_seed(22)
    pipeline = StableDiffusion3Pipeline(
        transformer=SD3Transformer2DModel(
            sample_size=16,
            patch_size=2,
            in_channels=_LATENT_CHANNELS,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=4,
            joint_attention_dim=2 * WIDTH,
            caption_projection_dim=32,
            pooled_projection_dim=2 * WIDTH,
            out_channels=_LATENT_CHANNELS,
            pos_embed_max_size=16,
            dual_attention_layers=(0,),
            qk_norm="rms_norm",
        ),
        vae=autoencoder(),
        text_encoder=CLIPTextModelWithProjection(tiny_model.text_config()),
        text_encoder_2=CLIPTextModelWithProjection(tiny_model.text_config()),
        text_encoder_3=_t5() if has_t5 else None,
        tokenizer=tokenizer(tiny_model.TOKENS),
        tokenizer_2=tokenizer(tiny_model.TOKENS),
        tokenizer_3=_t5_tokenizer() if has_t5 else None,
        scheduler=FlowMatchEulerDiscreteScheduler(**({"shift": 3.0} | scheduler)),
    )
    return save(pipeline, folder)


def save(pipeline: Any, folder: Path) -> Path:  # noqa: ANN401 - a pipeline of diffusers
    """Write a pipeline whose denoiser tells inputs apart, with a safety checker beside it."""
    with torch.no_grad():
        for parameter in pipeline.transformer.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=1.5 * parameter.shape[-1] ** -0.5)
    pipeline.save_pretrained(folder)
    tiny_model.save_checker(folder)
    return folder


def autoencoder() -> AutoencoderKL:
    """A VAE of the kind that models with flow matching have."""
    return architectures.autoencoder(
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=_LATENT_CHANNELS,
        scaling_factor=1.5305,
        shift_factor=0.0609,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def _t5() -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(
            vocab_size=len(_pieces()),
            d_model=2 * WIDTH,
            d_kv=8,
            d_ff=WIDTH,
            num_layers=2,
            num_heads=2,
            feed_forward_proj="gated-gelu",
        )
    )


def _pieces() -> list[tuple[str, float]]:
    """A vocabulary of single characters."""
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    special = [(piece, 0.0) for piece in ("<pad>", "</s>", "<unk>")]
    return [*special, ("▁", -1.0), *((letter, -2.0) for letter in letters)]


def _t5_tokenizer() -> T5Tokenizer:
    return T5Tokenizer(vocab=_pieces(), extra_ids=0)
