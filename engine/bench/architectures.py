"""Models of the real architectures with random weights: the same speed without a download."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import (
    AutoencoderKL,
    DiffusionPipeline,
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

from engine.device import Device
from engine.models.base import DiffusionModel
from engine.models.stable_diffusion import StableDiffusion
from engine.models.stable_diffusion_xl import StableDiffusionXL
from engine.safety import CheckerSet
from engine.safety.concepts import ConceptChecker

NEVER: Final = 2.0
"""A threshold above any cosine similarity, so that the checker flags no picture."""
TOKENS: Final = 77
_SEED: Final = 0


def sd15(device: Device) -> DiffusionModel:
    """Stable Diffusion 1.5 (https://huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5)."""
    with seeded_weights(device):
        parts = {
            "vae": autoencoder(scaling_factor=0.18215),
            "text_encoder": CLIPTextModel(text_config(768, 12, 12)),
            "unet": sd15_unet(),
            "safety_checker": None,
        }
    return stable_diffusion("random sd15", parts, _checker(device), device)


def sdxl(device: Device) -> DiffusionModel:
    """SDXL (https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0)."""
    with seeded_weights(device):
        parts = {
            "vae": autoencoder(scaling_factor=0.13025, force_upcast=True),
            "text_encoder": CLIPTextModel(text_config(768, 12, 12)),
            "text_encoder_2": CLIPTextModelWithProjection(
                text_config(1280, 32, 20, hidden_act="gelu")
            ),
            "unet": sdxl_unet(),
        }
    return stable_diffusion_xl("random sdxl", parts, _checker(device), device)


ARCHITECTURES: Final[dict[str, Callable[[Device], DiffusionModel]]] = {"sd15": sd15, "sdxl": sdxl}
BETAS: Final[dict[str, Any]] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}


def stable_diffusion(
    name: str, parts: dict[str, Any], safety: CheckerSet, device: Device
) -> StableDiffusion:
    """A Stable Diffusion 1 model of these networks."""
    pipeline = StableDiffusionPipeline(
        **frozen(parts),
        tokenizer=tokenizer(TOKENS),
        scheduler=PNDMScheduler(**BETAS, skip_prk_steps=True, steps_offset=1),
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return StableDiffusion(on_device(pipeline, device), safety, name, "0", device)


def stable_diffusion_xl(
    name: str, parts: dict[str, Any], safety: CheckerSet, device: Device
) -> StableDiffusionXL:
    """An SDXL model of these networks."""
    pipeline = StableDiffusionXLPipeline(
        **frozen(parts),
        tokenizer=tokenizer(TOKENS),
        tokenizer_2=tokenizer(TOKENS),
        scheduler=EulerDiscreteScheduler(**BETAS, steps_offset=1),
        add_watermarker=False,
    )
    return StableDiffusionXL(on_device(pipeline, device), safety, name, "0", device)


def sd15_unet() -> UNet2DConditionModel:
    """860 million parameters."""
    return UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)


def sdxl_unet() -> UNet2DConditionModel:
    """2,567 million parameters."""
    return UNet2DConditionModel(
        sample_size=128,
        block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 10),
        attention_head_dim=(5, 10, 20),
        cross_attention_dim=2048,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    )


def autoencoder(**changes: object) -> AutoencoderKL:
    """84 million parameters without `changes`."""
    options: dict[str, Any] = {
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "block_out_channels": (128, 256, 512, 512),
        "layers_per_block": 2,
        "latent_channels": 4,
    }
    return AutoencoderKL(**(options | changes))


def text_config(width: int, layers: int, heads: int, **changes: object) -> CLIPTextConfig:
    """The config of a text encoder for `tokenizer`."""
    options: dict[str, Any] = {
        "vocab_size": 49408,
        "intermediate_size": 4 * width,
        "max_position_embeddings": TOKENS,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    }
    return CLIPTextConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        projection_dim=width,
        **(options | changes),
    )


def checker(vision: CLIPVisionConfig, threshold: float = NEVER) -> StableDiffusionSafetyChecker:
    """A safety checker that flags pictures above this cosine similarity to a random concept."""
    network = StableDiffusionSafetyChecker(
        CLIPConfig(vision_config=vision.to_dict(), projection_dim=vision.projection_dim)
    )
    with torch.no_grad():
        network.concept_embeds.normal_()
        network.special_care_embeds.normal_()
        network.concept_embeds_weights.fill_(threshold)
        network.special_care_embeds_weights.fill_(NEVER)
    return network


def vocabulary() -> list[str]:
    """The tokens: two special ones, and each printable ASCII character."""
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    return ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{char}</w>" for char in letters)]


def tokenizer(length: int) -> CLIPTokenizer:
    """A tokenizer of `vocabulary` that truncates texts to this length."""
    with tempfile.TemporaryDirectory() as folder:
        vocab, merges = Path(folder) / "vocab.json", Path(folder) / "merges.txt"
        vocab.write_text(json.dumps({token: nth for nth, token in enumerate(vocabulary())}))
        merges.write_text("#version: 0.2\n")
        return CLIPTokenizer(str(vocab), str(merges), model_max_length=length)


def _checker(device: Device) -> CheckerSet:
    """A safety checker of the size of Stable Diffusion's that flags nothing."""
    vision = CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        patch_size=14,
        projection_dim=768,
    )
    with seeded_weights(device):
        network = checker(vision)
    return CheckerSet([ConceptChecker(network.eval(), CLIPImageProcessor(), device)])


@contextmanager
def seeded_weights(device: Device) -> Iterator[None]:
    """Modules that are created in the block have seeded random weights on the device."""
    before = torch.get_default_dtype()
    torch.manual_seed(_SEED)
    torch.set_default_dtype(device.dtype)
    try:
        with device.torch_device:
            yield
    finally:
        torch.set_default_dtype(before)


def frozen(parts: dict[str, Any]) -> dict[str, Any]:
    """The components, in evaluation mode and without gradients."""
    for part in parts.values():
        if part is not None:
            part.eval().requires_grad_(requires_grad=False)
    return parts


def on_device(pipeline: DiffusionPipeline, device: Device) -> DiffusionPipeline:
    """The pipeline, on the device and without progress bars."""
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device.torch_device)
