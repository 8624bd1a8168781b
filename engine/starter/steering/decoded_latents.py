"""Latents that decode to given pictures, for pictures that the encoder was not trained on."""

from typing import Final

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from tqdm import tqdm

from engine.starter.dataset import to_range
from engine.starter.trainer import autocast

STEPS: Final = 30
RATE: Final = 0.12
"""Of the first step; it falls to a tenth."""
NOISE: Final = 0.1
"""Deviation of the noise with which latents must still decode well."""
TOGETHER: Final = 256
"""Pictures whose latents are searched together."""


def search_latents(
    vae: AutoencoderKL, pictures: Tensor, device: torch.device, steps: int = STEPS
) -> Tensor:
    """Latents, fp16, (n, 8, height / 8, width / 8), that decode to uint8 pictures, (n, 3, height,
    width), more closely than those of the encoder, with which the search begins."""
    vae = vae.to(device).eval().requires_grad_(False)
    parts = pictures.split(TOGETHER)
    return torch.cat(
        [_search(vae, part.to(device), steps) for part in tqdm(parts, "latents", mininterval=2)]
    )


def _search(vae: AutoencoderKL, pictures: Tensor, steps: int) -> Tensor:
    target = to_range(pictures)
    generator = torch.Generator(pictures.device).manual_seed(0)
    with torch.no_grad():
        latents = vae.encode(target).latent_dist.mode()
    latents.requires_grad_()
    optimiser = torch.optim.Adam([latents], RATE)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = RATE * (1 - 0.9 * step / steps)
        noise = torch.randn(latents.shape, generator=generator, device=latents.device)
        with autocast(latents.device):
            decoded = vae.decode(latents + NOISE * noise).sample
        error = decoded.float() - target
        # the sum over the pictures of each one's mean, so that each is searched as if alone
        loss = (error.square() + 0.5 * error.abs()).mean(dim=(1, 2, 3)).sum()
        (latents.grad,) = torch.autograd.grad(loss, latents)
        optimiser.step()
    result: Tensor = latents.detach().half().cpu()
    return result
