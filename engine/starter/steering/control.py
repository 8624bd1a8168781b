"""The starter's ControlNet for scribbles, and its training."""

from pathlib import Path
from typing import Final

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from torch import Tensor

from engine.starter.caption_tokens import tokens_of
from engine.starter.denoiser import TextConditioner
from engine.starter.steering.batches import SteeringSampler, guided_loss
from engine.starter.steering.data import Part
from engine.starter.trainer import TrainingConfig, autocast, train

CONTROL_CHANNELS: Final = (16, 32, 64, 96)
"""Of the embedding of the control image, whose size they reduce to an eighth."""
PROMPTLESS_SHARE: Final = 0.15
"""Share of the pictures whose rows with a prompt have an empty one, so that lines matter."""


def new_scribble_control(unet: UNet2DConditionModel) -> ControlNetModel:
    """An untrained ControlNet, which has no effect yet."""
    control = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=CONTROL_CHANNELS)
    control.register_to_config(global_pool_conditions=False)
    return control


def train_scribble(
    model: TextConditioner,
    control: ControlNetModel,
    parts: list[Part],
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
) -> None:
    """Train the ControlNet so that the model, which does not change, follows scribbles."""
    sampler = SteeringSampler(parts, "latents", ("tokens", "scribbles"), config.batch, device)
    model.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    model.requires_grad_(False)
    empty = tokens_of(model.tokenizer, [""]).to(device)

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        batch = sampler.sample(generator)
        tokens = batch.one_of(batch.rows["tokens"]).long()
        tokens = torch.where(batch.chances() < PROMPTLESS_SHARE, empty, tokens)
        both = torch.cat([empty.expand_as(tokens), tokens])
        lines = control_image(batch.rows["scribbles"]).repeat(2, 1, 1, 1)

        def predict(noisy: Tensor, timesteps: Tensor) -> Tensor:
            with autocast(device):
                embeds = model.text_encoder(both).last_hidden_state
                down, middle = control(noisy, timesteps, embeds, lines, return_dict=False)
                predicted: Tensor = model.unet(
                    noisy,
                    timesteps,
                    embeds,
                    down_block_additional_residuals=down,
                    mid_block_additional_residual=middle,
                ).sample
            return predicted

        return guided_loss(batch, predict)

    control.to(device, memory_format=torch.channels_last).train()
    train("scribble", control, loss_at, config, folder)
    control.eval()


def control_image(scribbles: Tensor) -> Tensor:
    """uint8 scribbles, (n, height, width), as input of a ControlNet: (n, 3, height, width), 0 to
    1."""
    return (scribbles.float() / 255)[:, None].expand(-1, 3, -1, -1)
