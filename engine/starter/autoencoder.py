"""The starter model's VAE, with latents an eighth of the picture's size, and its training."""

import math
from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor
from torch.nn import functional as F

from engine.starter.dataset import RenderedScenes, to_range
from engine.starter.trainer import TrainingConfig, autocast, train

NOISE: Final = 0.05
"""Fixed standard deviation of the posterior; the decoder is trained to tolerate it."""
CHANNELS: Final = 8
"""Channels of the latents. With 4, as in Stable Diffusion, small details such as eyes are lost."""
CROP: Final = 64
WHOLE_SHARE: Final = 0.15
"""The last steps, this share of all, train on whole pictures: GroupNorm depends on the size."""
BATCH: Final = 8


def new_autoencoder() -> AutoencoderKL:
    """An untrained VAE. It has one GroupNorm group: with several, it learns flat pictures far more
    slowly."""
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[16, 32, 64, 64],
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=1,
        sample_size=128,
    )
    with torch.no_grad():  # the posterior's variance is fixed, not learned
        vae.quant_conv.weight[CHANNELS:] = 0.0
        vae.quant_conv.bias[CHANNELS:] = 2 * math.log(NOISE)
    return vae


def train_autoencoder(
    vae: AutoencoderKL,
    scenes: list[RenderedScenes],
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
) -> None:
    """Train encoder and decoder on crops, then on whole pictures."""

    def loss_at(step: int, generator: torch.Generator) -> Tensor:
        whole = step > config.steps * (1 - WHOLE_SHARE)
        pictures = _batch(scenes, generator, whole=whole).to(device)
        with autocast(device):
            latents = vae.encode(pictures).latent_dist
            reconstructed = vae.decode(_sample(latents, generator)).sample
        penalty = (
            1e-3 * latents.mean.float().square().mean()
        )  # else larger latents make the noise irrelevant
        loss: Tensor = reconstruction_loss(reconstructed.float(), pictures) + penalty
        return loss

    vae.to(device, memory_format=torch.channels_last).train()
    train("autoencoder", vae, loss_at, config, folder)
    vae.eval()


def _sample(latents: DiagonalGaussianDistribution, generator: torch.Generator) -> Tensor:
    noise = torch.randn(latents.mean.shape, generator=generator).to(latents.mean)
    sample: Tensor = latents.mean + latents.std.detach() * noise
    return sample


@torch.no_grad()
def normalise(vae: AutoencoderKL, means: Tensor) -> None:
    """Normalise each latent channel to mean 0 and deviation 1 over `means`, (n, 8, h, w).

    The 1x1 convolutions before and after the latents compensate for it, so decoded pictures stay
    the same.
    """
    mean, std = means.mean(dim=(0, 2, 3)), means.std(dim=(0, 2, 3))
    encode, decode = vae.quant_conv, vae.post_quant_conv
    decode.bias += decode.weight[:, :, 0, 0] @ mean
    decode.weight *= std[None, :, None, None]
    encode.weight[:CHANNELS] /= std[:, None, None, None]
    encode.bias[:CHANNELS] = (encode.bias[:CHANNELS] - mean) / std
    encode.bias[CHANNELS:] -= 2 * std.log()
    vae.register_to_config(scaling_factor=1.0)


def reconstruction_loss(reconstructed: Tensor, pictures: Tensor) -> Tensor:
    """L1 loss of the pixels and, to keep edges sharp, of the differences of neighbouring pixels."""
    loss = F.l1_loss(reconstructed, pictures)
    for axis in (-1, -2):
        loss = loss + F.l1_loss(reconstructed.diff(dim=axis), pictures.diff(dim=axis))
    return loss


def _batch(scenes: list[RenderedScenes], generator: torch.Generator, *, whole: bool) -> Tensor:
    def below(limit: int, count: int = 1) -> list[int]:
        return torch.randint(limit, (count,), generator=generator).tolist()

    pool = scenes[below(len(scenes))[0]].pictures
    if whole:
        return to_range(pool[below(len(pool), 2)])
    crops = []
    for i in below(len(pool), BATCH):
        top, left = below(pool.shape[2] - CROP + 1)[0], below(pool.shape[3] - CROP + 1)[0]
        crops.append(pool[i, :, top : top + CROP, left : left + CROP])
    return to_range(torch.stack(crops))


@torch.inference_mode()
def encode_all(vae: AutoencoderKL, pictures: Tensor, device: torch.device) -> Tensor:
    """Latent means, (n, 8, h / 8, w / 8), unscaled, of uint8 pictures."""
    return torch.cat(
        [
            vae.encode(to_range(part.to(device))).latent_dist.mean.cpu()
            for part in pictures.split(128)
        ]
    )


@torch.no_grad()
def signal_to_noise(vae: AutoencoderKL, pictures: Tensor, device: torch.device) -> float:
    """PSNR in dB of pictures after encoding and decoding."""
    errors = []
    for part in pictures.split(32):
        original = to_range(part.to(device))
        reconstructed = vae.decode(vae.encode(original).latent_dist.mean).sample.clamp(-1, 1)
        errors.append((reconstructed - original).square().mean().item() / 4)
    return -10 * math.log10(sum(errors) / len(errors))
