"""The starter model's UNet, its training and its guidance distillation."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from diffusers import DDPMScheduler, PNDMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextModel, CLIPTokenizer

from engine.starter.autoencoder import CHANNELS
from engine.starter.captions import caption
from engine.starter.scenes import Scene
from engine.starter.text_encoder import WIDTH
from engine.starter.trainer import TrainingConfig, train

BATCH: Final = 32
UNCONDITIONAL_SHARE: Final = 0.1
"""Share of training pictures without a caption, for classifier-free guidance."""
TIMESTEPS: Final = 1000
NOISE_SCHEDULE: Final = {
    "num_train_timesteps": TIMESTEPS,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.02,  # with 0.012 (Stable Diffusion) the last step still shows the brightness
}
GUIDANCE_RATIO: Final = 0.4
"""Guidance 5 of the distilled model equals guidance 2 (0.4 times 5) after `train_denoiser`.

The prompt determines nearly all of these simple pictures, so guidance 5 would push latents outside
the range that the decoder was trained on: red houses turn yellow.
"""
SNR_GAMMA: Final = 5.0
"""min-SNR weighting (Hang et al. 2023, arXiv 2303.09556, section 3.4)."""


@dataclass(frozen=True)
class Encoded:
    """Scenes of one size as scaled latents: (n, 8, height / 8, width / 8)."""

    scenes: list[Scene]
    latents: Tensor


def new_unet() -> UNet2DConditionModel:
    """An untrained UNet with three levels, the two coarser ones with cross-attention."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        block_out_channels=(64, 96, 128),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=8,
    )


def new_scheduler() -> PNDMScheduler:
    """The scheduler whose config all samplers are made from, as in Stable Diffusion 1.x."""
    return PNDMScheduler(
        **NOISE_SCHEDULE, skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1
    )


class TextConditioner(nn.Module):
    """The text encoder and the UNet as one module, because they are trained together."""

    def __init__(
        self, tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel, unet: UNet2DConditionModel
    ) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self.unet = unet
        self.tokenizer = tokenizer

    def forward(self, latents: Tensor, timesteps: Tensor, prompts: list[str]) -> Tensor:
        """The noise prediction for `latents`, (n, 8, h, w), at `timesteps`, (n,)."""
        noise_pred: Tensor = self.unet(latents, timesteps, self.embed(prompts)).sample
        return noise_pred

    def embed(self, prompts: list[str]) -> Tensor:
        """The embeddings, (n, MAX_TOKENS, WIDTH), of the prompts."""
        tokens = self.tokenizer(
            prompts, padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids.to(self.text_encoder.device)
        prompt_embeds: Tensor = self.text_encoder(tokens).last_hidden_state
        return prompt_embeds


def train_denoiser(
    model: TextConditioner,
    encoded: list[Encoded],
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
) -> None:
    """Train text encoder and UNet to predict the noise."""
    sampler = BatchSampler(encoded, device)

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        batch = sampler.sample(generator)
        with torch.autocast(device.type, torch.bfloat16):
            noise_pred = model(batch.noisy, batch.timesteps, batch.prompts)
        return batch.loss(noise_pred, batch.noise)

    model.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    train("denoiser", model, loss_at, config, folder)
    model.eval()


def distill_guidance(
    model: TextConditioner,
    encoded: list[Encoded],
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
) -> None:
    """Train a trained model so that a prompt changes its prediction less: by GUIDANCE_RATIO times
    the true difference.

    The target is the noise; the trained value is the unconditional prediction, plus the difference
    between conditional and unconditional prediction divided by GUIDANCE_RATIO.
    """
    sampler = BatchSampler(encoded, device, unconditional_share=0.0)

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        batch = sampler.sample(generator)
        noisy, empty = torch.cat([batch.noisy] * 2), [""] * len(batch.prompts)
        with torch.autocast(device.type, torch.bfloat16):
            predicted = model(noisy, batch.timesteps.repeat(2), empty + batch.prompts)
        noise_pred_uncond, noise_pred_text = predicted.float().chunk(2)
        noise_pred = noise_pred_uncond + (noise_pred_text - noise_pred_uncond) / GUIDANCE_RATIO
        return batch.loss(noise_pred, batch.noise) + batch.loss(noise_pred_uncond, batch.noise)

    model.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    train("tempered", model, loss_at, config, folder)
    model.eval()


@dataclass(frozen=True)
class TrainBatch:
    """Noisy latents at their timesteps, with their captions and loss weights."""

    noisy: Tensor
    noise: Tensor
    timesteps: Tensor
    prompts: list[str]
    weights: Tensor

    def loss(self, noise_pred: Tensor, target: Tensor) -> Tensor:
        """Mean squared error, weighted by min-SNR."""
        errors = F.mse_loss(noise_pred.float(), target, reduction="none").mean(dim=(1, 2, 3))
        loss: Tensor = (errors * self.weights).mean()
        return loss


class BatchSampler:
    """Samples training batches, each of one size, from encoded scenes."""

    def __init__(
        self,
        encoded: list[Encoded],
        device: torch.device,
        unconditional_share: float = UNCONDITIONAL_SHARE,
    ) -> None:
        self._encoded = encoded
        self._unconditional_share = unconditional_share
        self._device = device
        self._sizes = torch.tensor([float(len(part.scenes)) for part in encoded])
        self._schedule = DDPMScheduler(**NOISE_SCHEDULE)
        alphas = self._schedule.alphas_cumprod
        snr = alphas / (1 - alphas)
        self._weights = snr.clamp(max=SNR_GAMMA) / snr

    def sample(self, generator: torch.Generator) -> TrainBatch:
        """A batch, determined by the generator."""
        part = self._encoded[int(torch.multinomial(self._sizes, 1, generator=generator))]
        indices = torch.randint(len(part.scenes), (BATCH,), generator=generator)
        clean = part.latents[indices].float()
        noise = torch.randn(clean.shape, generator=generator)
        timesteps = _stratified_timesteps(generator)
        noisy = self._schedule.add_noise(clean, noise, timesteps)
        rng = random.Random(int(torch.randint(2**62, (1,), generator=generator)))  # noqa: S311
        return TrainBatch(
            noisy.to(self._device, memory_format=torch.channels_last),
            noise.to(self._device),
            timesteps.to(self._device),
            [self._prompt(part.scenes[i], rng) for i in indices.tolist()],
            self._weights[timesteps].to(self._device),
        )

    def _prompt(self, scene: Scene, rng: random.Random) -> str:
        return "" if rng.random() < self._unconditional_share else caption(scene, rng)


def _stratified_timesteps(generator: torch.Generator) -> Tensor:
    """Random timesteps, one from each of BATCH equal parts of the schedule."""
    shares = (torch.arange(BATCH) + torch.rand(BATCH, generator=generator)) / BATCH
    return (shares * TIMESTEPS).long().clamp(max=TIMESTEPS - 1)
