"""Models with flow matching, with real but tiny components of random weights."""

from pathlib import Path
from typing import Any, Final

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from transformers import (
    CLIPTextModelWithProjection,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)
from transformers.convert_slow_tokenizer import bytes_to_unicode

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


def save_klein(folder: Path, *, is_distilled: bool = True) -> Path:
    """Write a FLUX.2 klein as a diffusers folder, with a safety checker beside it."""
    torch.manual_seed(23)
    vae = AutoencoderKLFlux2(
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=8,
    )
    vae.bn.running_mean.normal_()
    vae.bn.running_var.uniform_(0.5, 2.0)
    pipeline = Flux2KleinPipeline(
        transformer=Flux2Transformer2DModel(
            in_channels=4 * 8,
            num_layers=1,
            num_single_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=3 * 16,
            timestep_guidance_channels=16,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        ),
        vae=vae,
        text_encoder=Qwen3ForCausalLM(qwen_config(layers=28)),
        tokenizer=qwen_tokenizer(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        is_distilled=is_distilled,
    )
    return save(pipeline, folder)


def save_z_image(folder: Path, **scheduler: Any) -> Path:  # noqa: ANN401 - as the class
    """Write a Z-Image as a diffusers folder, with a safety checker beside it.

    `scheduler` has other options of its scheduler.
    """
    torch.manual_seed(24)
    pipeline = ZImagePipeline(
        transformer=ZImageTransformer2DModel(
            in_channels=_LATENT_CHANNELS,
            dim=32,
            n_layers=2,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=16,
            axes_dims=[8, 4, 4],
            axes_lens=[1024, 64, 64],
        ),
        vae=autoencoder(),
        text_encoder=Qwen3Model(qwen_config(layers=2)),
        tokenizer=qwen_tokenizer(),
        scheduler=FlowMatchEulerDiscreteScheduler(**({"shift": 3.0} | scheduler)),
    )
    return save(pipeline, folder)


def qwen_config(layers: int) -> Qwen3Config:
    """The config of a text encoder for `qwen_tokenizer`."""
    return Qwen3Config(
        vocab_size=512,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        tie_word_embeddings=True,
    )


def qwen_tokenizer() -> Qwen2Tokenizer:
    """A tokenizer of bytes with a chat template."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokens = [*sorted(bytes_to_unicode().values()), *special]
    tokenizer = Qwen2Tokenizer(
        vocab={token: nth for nth, token in enumerate(tokens)},
        merges=[],
        model_max_length=1024,
    )
    tokenizer.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message.content }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>{% endif %}"
    )
    return tokenizer


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
    characters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    special = [(piece, 0.0) for piece in ("<pad>", "</s>", "<unk>")]
    return [*special, ("▁", -1.0), *((character, -2.0) for character in characters)]


def _t5_tokenizer() -> T5Tokenizer:
    return T5Tokenizer(vocab=_pieces(), extra_ids=0)
