"""Further training of the VAE's decoder, for latents as the finished models paint them.

The encoder stays as it is, and with it the latents, so the UNets need no training. An L1 loss alone
makes pictures blurred where the latents do not determine every pixel, above all in the faces of
small things; a discriminator of patches (Isola et al. 2017, arXiv 1611.07004, section 3.2) keeps
them sharp.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from engine.starter.captions import full_caption
from engine.starter.dataset import RenderedScenes, to_range
from engine.starter.denoiser import TextConditioner
from engine.starter.few_steps import STEPS, new_few_step_scheduler
from engine.starter.scenes import Scene
from engine.starter.thing_weights import LATENT_PIXEL, weights_by_count
from engine.starter.trainer import TrainingConfig, autocast, train

REPAINTED_SHARE: Final = 0.25
"""Share of a batch whose latents are repainted; the encoder's are decoded for the others."""
SMALL_SIZES: Final = ((64, 64), (64, 96))
"""Widths and heights, in pixels, of pictures in which one thing is as small as in a pair, but with
a third of the other pixels."""
DISCRIMINATOR_STEPS: Final = 60
"""First steps, in which the discriminator learns and the decoder has the L1 loss alone."""
LAST_STEPS: Final = 2
"""Most steps of the student's sampler that repaint latents: with more, they show another thing."""
NOISE_RANGE: Final = 2.0
"""Largest noise of the encoder's latents, in standard deviations of its posterior."""
ADVERSARIAL_SHARE: Final = 0.5
"""Gradient of the adversarial loss at the decoder's last layer, relative to that of the L1 loss
(Esser et al. 2021, arXiv 2012.09841, equation 7)."""


class PatchDiscriminator(nn.Module):
    """Maps pictures, (n, 3, h, w), to logits, (n, h / 8, w / 8), that patches are real."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 32), (32, 64), (64, 64)):
            layers += [
                spectral_norm(nn.Conv2d(before, after, 4, stride=2, padding=1)),
                nn.LeakyReLU(0.2),
            ]
        layers += [spectral_norm(nn.Conv2d(64, 64, 3, padding=1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(64, 1, 3, padding=1))

    def forward(self, pictures: Tensor) -> Tensor:
        logits: Tensor = self.layers(pictures)
        return logits[:, 0]


def trained_parts(vae: AutoencoderKL) -> nn.ModuleList:
    """What is trained: the VAE from the latents to the picture, and a new discriminator."""
    return nn.ModuleList([vae.post_quant_conv, vae.decoder, PatchDiscriminator()])


def train_decoder(
    vae: AutoencoderKL,
    painters: Sequence[TextConditioner],
    scenes: Sequence[RenderedScenes],
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
    *,
    save_every: float = 120.0,
) -> None:
    """Train the decoder on latents of the encoder and of the painters.

    `save_every` is in seconds.
    """
    sizes = torch.tensor([float(len(part.scenes)) for part in scenes])
    parts = trained_parts(vae).to(device).train()
    last_layer, discriminator = vae.decoder.conv_out.weight, parts[-1]

    def loss_at(step: int, generator: torch.Generator) -> Tensor:
        part = scenes[int(torch.multinomial(sizes, 1, generator=generator))]
        count = config.batch * 128 * 128 // (part.pictures.shape[-1] * part.pictures.shape[-2])
        indices = torch.randint(len(part.scenes), (count,), generator=generator)
        batch = [part.scenes[i] for i in indices.tolist()]
        pictures = to_range(part.pictures[indices].to(device))
        painter = painters[int(torch.randint(len(painters), (1,), generator=generator))]
        with autocast(device):
            latents = noisy_latents(vae, pictures, generator)
            few = int(REPAINTED_SHARE * count)
            latents[:few] = repainted(painter, latents[:few], batch[:few], generator)
            decoded = vae.decode(latents).sample.float()
        counts = torch.tensor([len(scene.things) for scene in batch])
        weights = weights_by_count(latents.shape[-2:])[counts].to(device)
        reconstruction = weighted_loss(decoded, pictures, weights)
        adversarial, discrimination = _adversarial_losses(discriminator, decoded, pictures, weights)
        loss: Tensor = reconstruction + discrimination
        if step < DISCRIMINATOR_STEPS:
            return loss
        share = ADVERSARIAL_SHARE * _balance(reconstruction, adversarial, last_layer)
        return loss + share * adversarial

    vae.to(device)
    train("decoder", parts, loss_at, config, folder, save_every=save_every)
    vae.eval()


@torch.no_grad()
def noisy_latents(vae: AutoencoderKL, pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Latents, (n, 8, h / 8, w / 8), with noise up to NOISE_RANGE, another level for each."""
    posterior = vae.encode(pictures).latent_dist
    mean = posterior.mean.float()
    levels = NOISE_RANGE * torch.rand(len(mean), 1, 1, 1, generator=generator)
    noise = levels * torch.randn(mean.shape, generator=generator)
    noisy: Tensor = mean + posterior.std.float() * noise.to(mean)
    return noisy


@torch.no_grad()
def repainted(
    painter: TextConditioner,
    latents: Tensor,
    scenes: Sequence[Scene],
    generator: torch.Generator,
) -> Tensor:
    """Latents of pictures of these scenes as the painter paints them.

    They get the noise of one of the student's last steps, and the painter removes it.
    """
    scheduler = new_few_step_scheduler()
    scheduler.set_timesteps(STEPS)
    first = STEPS - 1 - int(torch.randint(LAST_STEPS, (1,), generator=generator))
    sigmas = scheduler.sigmas[first:].tolist()
    seed = int(torch.randint(2**31, (1,), generator=generator))
    rng = random.Random(seed)  # noqa: S311 - a seed, not a secret
    embeds = painter.embed([full_caption(scene, rng) for scene in scenes])
    latents = latents + sigmas[0] * torch.randn(latents.shape, generator=generator).to(latents)
    for nth, timestep in enumerate(scheduler.timesteps[first:]):
        scaled = latents / (sigmas[nth] ** 2 + 1) ** 0.5
        predicted = painter.unet(scaled, timestep, embeds).sample.float()
        latents = latents + predicted * (sigmas[nth + 1] - sigmas[nth])
    return latents


def weighted_loss(decoded: Tensor, pictures: Tensor, weights: Tensor) -> Tensor:
    """L1 loss of the pixels and of the differences of neighbouring pixels.

    `weights`, (n, h / 8, w / 8), are those of the latent pixels.
    """
    rows = weights.repeat_interleave(LATENT_PIXEL, 1)
    of_pixels = rows.repeat_interleave(LATENT_PIXEL, 2)[:, None]
    difference = decoded - pictures
    loss = (difference.abs() * of_pixels).mean()
    loss = loss + (difference.diff(dim=-1).abs() * of_pixels[..., 1:]).mean()
    return loss + (difference.diff(dim=-2).abs() * of_pixels[..., 1:, :]).mean()


def _adversarial_losses(
    discriminator: nn.Module, decoded: Tensor, pictures: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Hinge losses of the decoder and of the discriminator; neither has gradients for the
    other."""
    fixed = {name: p.detach() for name, p in discriminator.named_parameters()}
    adversarial = -(functional_call(discriminator, fixed, (decoded,)) * weights).mean()
    real, false = discriminator(torch.cat([pictures, decoded.detach()])).chunk(2)
    return adversarial, ((F.relu(1 - real) + F.relu(1 + false)) * weights).mean()


def _balance(reconstruction: Tensor, adversarial: Tensor, last_layer: Tensor) -> Tensor:
    """The ratio of the losses' gradients at the decoder's last layer."""
    one, other = (
        torch.autograd.grad(loss, last_layer, retain_graph=True)[0].norm()
        for loss in (reconstruction, adversarial)
    )
    balance: Tensor = (one / (other + 1e-4)).clamp(max=1e3)
    return balance
