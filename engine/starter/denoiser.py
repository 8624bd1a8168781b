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
from engine.starter.training import Plan, train
from engine.starter.words import WIDTH

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
    """Teach text encoder and UNet to tell the noise, weighted by min-SNR."""
    schedule = DDPMScheduler(**NOISES)
    snr = schedule.alphas_cumprod / (1 - schedule.alphas_cumprod)
    weights = snr.clamp(max=SNR_CAP) / snr
    sizes = torch.tensor([float(len(part.scenes)) for part in encoded])

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        part = encoded[int(torch.multinomial(sizes, 1, generator=generator))]
        chosen = torch.randint(len(part.scenes), (BATCH,), generator=generator)
        clean = part.latents[chosen].float()
        noise = torch.randn(clean.shape, generator=generator)
        times = _spread_times(generator)
        noisy = schedule.add_noise(clean, noise, times)
        rng = random.Random(int(torch.randint(2**62, (1,), generator=generator)))  # noqa: S311
        prompts = [_prompt(part.scenes[i], rng) for i in chosen.tolist()]
        noisy = noisy.to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            told = reader(noisy, times.to(device), prompts)
        errors = F.mse_loss(told.float(), noise.to(device), reduction="none").mean(dim=(1, 2, 3))
        loss: Tensor = (errors * weights[times].to(device)).mean()
        return loss

    reader.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    train("denoiser", reader, loss_at, plan, folder)
    reader.eval()


def _spread_times(generator: torch.Generator) -> Tensor:
    """One timestep for each picture, one from each equal part of the schedule."""
    places = (torch.arange(BATCH) + torch.rand(BATCH, generator=generator)) / BATCH
    return (places * TIMESTEPS).long().clamp(max=TIMESTEPS - 1)


def _prompt(scene: Scene, rng: random.Random) -> str:
    return "" if rng.random() < WORDLESS else caption(scene, rng)
