"""The starter model's UNet, its training and its guidance distillation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from diffusers import DDPMScheduler, PNDMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextModel, CLIPTokenizer

from engine.starter.autoencoder import CHANNELS
from engine.starter.caption_tokens import CAPTIONS, caption_tokens, tokens_of
from engine.starter.scenes import Scene
from engine.starter.text_encoder import WIDTH
from engine.starter.thing_weights import weights_by_count
from engine.starter.trainer import TrainingConfig, autocast, train

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
_SEED: Final = 11
"""Of the captions."""


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

    def forward(self, latents: Tensor, timesteps: Tensor, tokens: Tensor) -> Tensor:
        """The noise prediction for `latents`, (n, 8, h, w), at `timesteps`, (n,), and `tokens`,
        (n, MAX_TOKENS)."""
        prompt_embeds = self.text_encoder(tokens).last_hidden_state
        noise_pred: Tensor = self.unet(latents, timesteps, prompt_embeds).sample
        return noise_pred

    def embed(self, prompts: list[str]) -> Tensor:
        """The embeddings, (n, MAX_TOKENS, WIDTH), of the prompts."""
        tokens = tokens_of(self.tokenizer, prompts).to(self.text_encoder.device)
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
    sampler = BatchSampler(encoded, model.tokenizer, config.batch, device)

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        batch = sampler.sample(generator)
        with autocast(device):
            noise_pred = model(batch.noisy, batch.timesteps, batch.tokens)
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
    name: str = "distilled",
) -> None:
    """Train a trained model so that a prompt changes its prediction less: by GUIDANCE_RATIO times
    the true difference.

    The target is the noise; the trained value is the unconditional prediction, plus the difference
    between conditional and unconditional prediction divided by GUIDANCE_RATIO. `name` is that of
    the checkpoint.
    """
    sampler = BatchSampler(encoded, model.tokenizer, config.batch, device, unconditional_share=0.0)

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        batch = sampler.sample(generator)
        noisy = torch.cat([batch.noisy] * 2)
        tokens = torch.cat([sampler.empty.expand_as(batch.tokens), batch.tokens])
        with autocast(device):
            predicted = model(noisy, batch.timesteps.repeat(2), tokens)
        noise_pred_uncond, noise_pred_text = predicted.float().chunk(2)
        noise_pred = noise_pred_uncond + (noise_pred_text - noise_pred_uncond) / GUIDANCE_RATIO
        return batch.loss(noise_pred, batch.noise) + batch.loss(noise_pred_uncond, batch.noise)

    model.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    train(name, model, loss_at, config, folder)
    model.eval()


@dataclass(frozen=True)
class TrainBatch:
    """Noisy latents at their timesteps, with the tokens of their captions and loss weights."""

    noisy: Tensor
    noise: Tensor
    timesteps: Tensor
    tokens: Tensor
    weights: Tensor
    """(n, h, w): of the latent pixels."""

    def loss(self, noise_pred: Tensor, target: Tensor) -> Tensor:
        """Mean squared error, weighted by min-SNR and by where the things are."""
        errors = F.mse_loss(noise_pred.float(), target, reduction="none").mean(dim=1)
        loss: Tensor = (errors * self.weights).mean()
        return loss


class Noising:
    """Adds noise to latents on a device, at some of `timesteps`, (n,), which are all by default."""

    def __init__(self, device: torch.device, timesteps: Tensor | None = None) -> None:
        self._timesteps = torch.arange(TIMESTEPS) if timesteps is None else timesteps.long()
        self._timesteps = self._timesteps.to(device)
        self._schedule = DDPMScheduler(**NOISE_SCHEDULE)
        self._schedule.alphas_cumprod = self._schedule.alphas_cumprod.to(device)
        alphas = self._schedule.alphas_cumprod
        snr = alphas / (1 - alphas)
        self._of_timesteps = snr.clamp(max=SNR_GAMMA) / snr

    def noisy(
        self, clean: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Noisy latents, their noise, their timesteps, and the weights, (n,), of these."""
        noise = torch.randn(clean.shape, generator=generator, device=clean.device)
        timesteps = self._timesteps[_stratified(len(clean), len(self._timesteps), generator)]
        noisy = self._schedule.add_noise(clean, noise, timesteps)
        return (
            noisy.contiguous(memory_format=torch.channels_last),
            noise,
            timesteps,
            self._of_timesteps[timesteps],
        )


def _stratified(count: int, limit: int, generator: torch.Generator) -> Tensor:
    """Random integers from 0 to below the limit, one from each of `count` equal parts."""
    within = torch.rand(count, generator=generator, device=generator.device)
    shares = (torch.arange(count, device=generator.device) + within) / count
    return (shares * limit).long().clamp(max=limit - 1)


class BatchSampler:
    """Samples training batches, each of one size, from encoded scenes, which it keeps on the
    device."""

    def __init__(
        self,
        encoded: list[Encoded],
        tokenizer: CLIPTokenizer,
        batch: int,
        device: torch.device,
        unconditional_share: float = UNCONDITIONAL_SHARE,
    ) -> None:
        self._batch, self._device = batch, device
        self._unconditional_share = unconditional_share
        self._sizes = torch.tensor([float(len(part.scenes)) for part in encoded])
        self._latents = [part.latents.to(device) for part in encoded]
        self._tokens = [caption_tokens(part.scenes, _SEED).to(device) for part in encoded]
        self._counts = [
            torch.tensor([len(scene.things) for scene in part.scenes], device=device)
            for part in encoded
        ]
        self._of_things = [weights_by_count(part.latents.shape[-2:]).to(device) for part in encoded]
        self.empty = tokens_of(tokenizer, [""]).to(device)
        """The tokens, (1, MAX_TOKENS), of the empty prompt."""
        self._noising = Noising(device)

    def sample(self, generator: torch.Generator) -> TrainBatch:
        """A batch, determined by the generator, which is one of the CPU."""
        part = int(torch.multinomial(self._sizes, 1, generator=generator))
        seed = int(torch.randint(2**62, (1,), generator=generator))
        here = torch.Generator(self._device).manual_seed(seed)
        count, device = self._batch, self._device
        indices = torch.randint(len(self._latents[part]), (count,), generator=here, device=device)
        clean = self._latents[part][indices].float()
        noisy, noise, timesteps, of_timesteps = self._noising.noisy(clean, here)
        captions = torch.randint(CAPTIONS, (count,), generator=here, device=device)
        chances = torch.rand(count, 1, generator=here, device=device)
        tokens = self._tokens[part][indices, captions].long()
        of_things = self._of_things[part][self._counts[part][indices]]
        return TrainBatch(
            noisy,
            noise,
            timesteps,
            torch.where(chances < self._unconditional_share, self.empty, tokens),
            of_things * of_timesteps.reshape(-1, 1, 1),
        )
