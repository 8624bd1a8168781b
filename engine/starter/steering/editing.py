"""The starter's variant for edits by words (InstructPix2Pix), and its training."""

from pathlib import Path
from typing import Final

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from engine.starter.autoencoder import CHANNELS
from engine.starter.caption_tokens import tokens_of
from engine.starter.denoiser import GUIDANCE_RATIO, Noising, TextConditioner
from engine.starter.steering.data import Part
from engine.starter.trainer import TrainingConfig, autocast, train

DROPPED: Final = 0.1
"""Share of the pictures without source (Brooks et al. 2023, arXiv 2211.09800, section 3.2.1: 5 %
with an instruction and 5 % without; here every picture has a row of each)."""
CHANGE_WEIGHT: Final = 3.0
"""Loss weight of the latent pixels that an edit changes; it is 1 elsewhere."""
_CHANGED: Final = 0.25
"""Mean difference of latents, over their channels, from which a pixel counts as changed."""


def new_edit_unet(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """The UNet with as many input channels more, for the source's latents, which have no effect
    yet."""
    edit = UNet2DConditionModel.from_config(unet.config, in_channels=2 * CHANNELS)
    weights = unet.state_dict()
    widened = torch.zeros_like(edit.conv_in.weight)
    widened[:, :CHANNELS] = weights["conv_in.weight"]
    edit.load_state_dict(weights | {"conv_in.weight": widened})
    return edit


def train_edit(
    model: TextConditioner,
    edit: UNet2DConditionModel,
    parts: list[Part],
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
) -> None:
    """Train the UNet to edit pictures by instructions; the text encoder does not change.

    Each picture has two rows, with and without its instruction, whose difference is distilled as in
    `denoiser.distill_guidance`.
    """
    sampler = _PairSampler(parts, config.batch, device)
    model.text_encoder.to(device).eval().requires_grad_(False)
    empty = tokens_of(model.tokenizer, [""]).to(device)

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        noisy, noise, timesteps, weights, source, tokens = sampler.sample(generator)
        both = torch.cat([empty.expand_as(tokens), tokens])
        inputs = torch.cat([noisy, source], dim=1).repeat(2, 1, 1, 1)
        with autocast(device):
            embeds = model.text_encoder(both).last_hidden_state
            predicted = edit(
                inputs.contiguous(memory_format=torch.channels_last), timesteps.repeat(2), embeds
            ).sample
        noise_pred_image, noise_pred_text = predicted.float().chunk(2)
        guided = noise_pred_image + (noise_pred_text - noise_pred_image) / GUIDANCE_RATIO
        errors = (guided - noise).square() + (noise_pred_image - noise).square()
        loss: Tensor = (errors.mean(dim=1) * weights).mean()
        return loss

    edit.to(device, memory_format=torch.channels_last).train()
    train("edit", edit, loss_at, config, folder)
    edit.eval()


class _PairSampler:
    """Samples pairs in both directions, each batch of one size."""

    def __init__(self, parts: list[Part], batch: int, device: torch.device) -> None:
        self._batch, self._device = batch, device
        self._pictures = [
            torch.stack([part["before"], part["after"]], dim=1).to(device) for part in parts
        ]
        self._tokens = [
            torch.stack([part["forward"], part["backward"]], dim=1).to(device) for part in parts
        ]
        self._sizes = torch.tensor([float(len(part["before"])) for part in parts])
        self._noising = Noising(device)

    def sample(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Noisy latents, noise, timesteps, loss weights, latents of the source, and tokens."""
        nth = int(torch.multinomial(self._sizes, 1, generator=generator))
        seed = int(torch.randint(2**62, (1,), generator=generator))
        here = torch.Generator(self._device).manual_seed(seed)

        def below(limit: int) -> Tensor:
            return torch.randint(limit, (self._batch,), generator=here, device=self._device)

        pictures, tokens = self._pictures[nth], self._tokens[nth]
        indices, way, wording = below(len(pictures)), below(2), below(tokens.shape[2])
        source = pictures[indices, way].float()
        target = pictures[indices, 1 - way].float()
        changed = (source - target).abs().mean(dim=1) > _CHANGED
        noisy, noise, timesteps, of_timesteps = self._noising.noisy(target, here)
        weights = torch.where(changed, CHANGE_WEIGHT, 1.0) * of_timesteps.reshape(-1, 1, 1)
        chances = torch.rand(self._batch, 1, 1, 1, generator=here, device=self._device)
        source = torch.where(chances < DROPPED, 0.0, source)
        return noisy, noise, timesteps, weights, source, tokens[indices, way, wording].long()
