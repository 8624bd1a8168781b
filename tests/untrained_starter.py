"""The starter's networks with random weights, and a few scenes to train on."""

import copy

import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from torch import nn

from engine.starter.autoencoder import new_autoencoder
from engine.starter.denoiser import TextConditioner, new_scheduler, new_unet
from engine.starter.safety import new_feature_extractor
from engine.starter.scenes import Scene, Thing
from engine.starter.steering import data
from engine.starter.steering.data import Part, render_chunk
from engine.starter.text_encoder import new_text_encoder, new_tokenizer
from engine.starter.trainer import TrainingConfig

CPU = torch.device("cpu")
SIZE = (64, 64)
PAIR = Scene((Thing("cat", "red"), Thing("house", "blue")), "grass", "day")
CONFIG = TrainingConfig(steps=1, rate=1e-3, warmup=1, average=0.5, batch=2)


def new_model() -> TextConditioner:
    """Text encoder and UNet with random weights."""
    torch.manual_seed(4)
    tokenizer = new_tokenizer()
    return TextConditioner(tokenizer, new_text_encoder(tokenizer), new_unet()).eval()


def new_vae() -> AutoencoderKL:
    """A VAE with random weights."""
    torch.manual_seed(5)
    return new_autoencoder().eval()


def six_scenes(vae: AutoencoderKL) -> Part:
    """Six small scenes, encoded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "CHUNK", 6)
        return data.encoded(render_chunk(0, size=SIZE, seed=1), vae, CPU, ("latents",))


def pipeline_of(model: TextConditioner, vae: AutoencoderKL) -> StableDiffusionPipeline:
    """A pipeline of diffusers with copies of what others may change."""
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=model.text_encoder,
        tokenizer=model.tokenizer,
        unet=copy.deepcopy(model.unet),
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=new_feature_extractor(),
        requires_safety_checker=False,
    )


def predicted(
    unet: nn.Module,
    image_embeds: torch.Tensor | None = None,
    prompt_embeds: torch.Tensor | None = None,
) -> torch.Tensor:
    """The noise prediction for fixed random latents and, if none is given, a random prompt."""
    generator = torch.Generator().manual_seed(6)
    latents = torch.randn(1, 8, 8, 8, generator=generator)
    random_embeds = torch.randn(1, 48, 128, generator=generator)
    embeds = random_embeds if prompt_embeds is None else prompt_embeds
    added = {} if image_embeds is None else {"image_embeds": [image_embeds[:, None]]}
    with torch.no_grad():
        sample: torch.Tensor = unet(
            latents, torch.tensor([500]), embeds, added_cond_kwargs=added
        ).sample
    return sample
