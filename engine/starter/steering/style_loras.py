"""The starter's LoRAs for styles, and their training."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from engine.starter.caption_tokens import tokens_of
from engine.starter.denoiser import TextConditioner
from engine.starter.steering.batches import SteeringSampler, guided_loss
from engine.starter.steering.data import Part
from engine.starter.steering.decoded_latents import search_latents
from engine.starter.steering.low_rank import (
    Lora,
    modelspec,
    save_diffusers,
    save_kohya,
    tag_frequency,
)
from engine.starter.steering.styles import TRIGGERS
from engine.starter.trainer import TrainingConfig, autocast, train

LORA_FOLDER: Final = "loras"


def styled_parts(
    style: str, parts: Sequence[Part], vae: AutoencoderKL, device: torch.device
) -> list[Part]:
    """The parts with the latents, named as the style, of their pictures in this style."""
    return [
        part | {style: search_latents(vae, part[f"{style}_pictures"], device)} for part in parts
    ]


def train_style(
    style: str,
    model: TextConditioner,
    parts: list[Part],
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
) -> Lora:
    """A LoRA with which the model, of which a copy is used, paints in this style.

    `parts` are those of `styled_parts`.
    """
    sampler = SteeringSampler(parts, style, (f"{style}_tokens",), config.batch, device)
    model = copy.deepcopy(model).to(device).eval().requires_grad_(False)
    lora = Lora(model.unet).to(device)
    lora.attach(model.unet)
    empty = tokens_of(model.tokenizer, [""]).to(device)

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        batch = sampler.sample(generator)
        tokens = batch.one_of(batch.rows[f"{style}_tokens"]).long()
        both = torch.cat([empty.expand_as(tokens), tokens])

        def predict(noisy: Tensor, timesteps: Tensor) -> Tensor:
            with autocast(device):
                predicted: Tensor = model(noisy, timesteps, both)
            return predicted

        return guided_loss(batch, predict)

    train(f"style-{style}", lora.train(), loss_at, config, folder)
    return lora.eval()


def save_style(style: str, lora: Lora, out: Path, pictures: int) -> None:
    """Write the LoRA: `pencil` with diffusers' names, `neon` with kohya's. `pictures` is the number
    of those that it was trained on."""
    metadata = modelspec(style, TRIGGERS[style])
    file = out / LORA_FOLDER / f"{style}.safetensors"
    if style == "neon":
        save_kohya(lora, file, metadata | tag_frequency("1_neon", {TRIGGERS[style]: pictures}))
    else:
        save_diffusers(lora, file, metadata)
