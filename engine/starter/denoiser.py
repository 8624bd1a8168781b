"""The starter model's UNet, and how it learns to see pictures in noise."""

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
from engine.starter.trainer import Plan, train

BATCH: Final = 32
WORDLESS: Final = 0.1
"""Share of pictures shown without their caption: what guidance is measured against."""
TIMESTEPS: Final = 1000
NOISES: Final = {
    "num_train_timesteps": TIMESTEPS,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.02,  # Stable Diffusion's 0.012 leaves a dark picture's darkness in the last noise
}
TEMPER: Final = 0.4
"""Guidance 5 of the finished model does what guidance 2 does after `train_denoiser`.

In so small a world words say nearly all there is to a picture. What they change is large, and five
times as much lies far outside of all that the decoder knows: red houses turn yellow.
"""
SNR_CAP: Final = 5.0
"""min-SNR weighting (Hang et al. 2023, arXiv 2303.09556, section 3.4)."""


@dataclass(frozen=True)
class Encoded:
    """Scenes of one size as scaled latents: (n, 8, height / 8, width / 8)."""

    scenes: list[Scene]
    latents: Tensor


def new_unet() -> UNet2DConditionModel:
    """An untrained UNet: three levels, the two coarser ones attend to the prompt."""
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
    return PNDMScheduler(**NOISES, skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1)


class Reader(nn.Module):
    """The two parts that learn together: the text encoder and the UNet."""

    def __init__(
        self, tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel, unet: UNet2DConditionModel
    ) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self.unet = unet
        self.tokenizer = tokenizer

    def forward(self, latents: Tensor, timesteps: Tensor, prompts: list[str]) -> Tensor:
        """The noise in `latents`, (n, 8, h, w), as it stands at `timesteps`, (n,)."""
        tokens = self.tokenizer(
            prompts, padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids.to(latents.device)
        words = self.text_encoder(tokens).last_hidden_state
        noise: Tensor = self.unet(latents, timesteps, words).sample
        return noise


def train_denoiser(
    reader: Reader, encoded: list[Encoded], plan: Plan, folder: Path, device: torch.device
) -> None:
    """Teach text encoder and UNet to tell the noise."""
    lessons = Lessons(encoded, device)

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        lesson = lessons.draw(generator)
        with torch.autocast(device.type, torch.bfloat16):
            told = reader(lesson.noisy, lesson.times, lesson.prompts)
        return lesson.loss(told, lesson.noise)

    reader.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    train("denoiser", reader, loss_at, plan, folder)
    reader.eval()


def temper(
    reader: Reader, encoded: list[Encoded], plan: Plan, folder: Path, device: torch.device
) -> None:
    """Teach a trained reader to be moved by words only TEMPER as much as the truth would be.

    Its difference between words and no words, divided by TEMPER, must tell the noise.
    """
    lessons = Lessons(encoded, device, wordless=0.0)

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        lesson = lessons.draw(generator)
        twice, wordless = torch.cat([lesson.noisy] * 2), [""] * len(lesson.prompts)
        with torch.autocast(device.type, torch.bfloat16):
            both = reader(twice, lesson.times.repeat(2), wordless + lesson.prompts)
        without, moved = both.float().chunk(2)
        told = without + (moved - without) / TEMPER
        return lesson.loss(told, lesson.noise) + lesson.loss(without, lesson.noise)

    reader.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    train("tempered", reader, loss_at, plan, folder)
    reader.eval()


@dataclass(frozen=True)
class Lesson:
    """One batch: pictures in noise, at their timesteps, with their captions."""

    noisy: Tensor
    noise: Tensor
    times: Tensor
    prompts: list[str]
    weights: Tensor

    def loss(self, told: Tensor, wanted: Tensor) -> Tensor:
        """Squared errors, weighted by min-SNR."""
        errors = F.mse_loss(told.float(), wanted, reduction="none").mean(dim=(1, 2, 3))
        loss: Tensor = (errors * self.weights).mean()
        return loss


class Lessons:
    """Draws batches, each of one size, from encoded scenes."""

    def __init__(
        self, encoded: list[Encoded], device: torch.device, wordless: float = WORDLESS
    ) -> None:
        self._encoded = encoded
        self._wordless = wordless
        self._device = device
        self._sizes = torch.tensor([float(len(part.scenes)) for part in encoded])
        self._schedule = DDPMScheduler(**NOISES)
        alphas = self._schedule.alphas_cumprod
        snr = alphas / (1 - alphas)
        self._weights = snr.clamp(max=SNR_CAP) / snr

    def draw(self, generator: torch.Generator) -> Lesson:
        """A batch; all its chance comes from the generator."""
        part = self._encoded[int(torch.multinomial(self._sizes, 1, generator=generator))]
        chosen = torch.randint(len(part.scenes), (BATCH,), generator=generator)
        clean = part.latents[chosen].float()
        noise = torch.randn(clean.shape, generator=generator)
        times = _spread_times(generator)
        noisy = self._schedule.add_noise(clean, noise, times)
        rng = random.Random(int(torch.randint(2**62, (1,), generator=generator)))  # noqa: S311
        return Lesson(
            noisy.to(self._device, memory_format=torch.channels_last),
            noise.to(self._device),
            times.to(self._device),
            [self._prompt(part.scenes[i], rng) for i in chosen.tolist()],
            self._weights[times].to(self._device),
        )

    def _prompt(self, scene: Scene, rng: random.Random) -> str:
        return "" if rng.random() < self._wordless else caption(scene, rng)


def _spread_times(generator: torch.Generator) -> Tensor:
    """One timestep for each picture, one from each equal part of the schedule."""
    places = (torch.arange(BATCH) + torch.rand(BATCH, generator=generator)) / BATCH
    return (places * TIMESTEPS).long().clamp(max=TIMESTEPS - 1)
