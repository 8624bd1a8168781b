"""Batches of rendered scenes with noise, and the loss of a model whose guidance is distilled."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.starter.denoiser import GUIDANCE_RATIO, Noising
from engine.starter.steering.data import Part
from engine.starter.thing_weights import weights_by_count


@dataclass(frozen=True)
class SteeringBatch:
    """Noisy latents of one size, and other tensors of the same scenes."""

    noisy: Tensor
    noise: Tensor
    timesteps: Tensor
    weights: Tensor
    """(n, h, w): of the latent pixels, in the loss."""
    rows: Part
    """The scenes' other tensors, by name."""
    generator: torch.Generator
    """Of the device."""

    def chances(self) -> Tensor:
        """Uniform random numbers, (n, 1)."""
        device = self.noisy.device
        return torch.rand(len(self.noisy), 1, generator=self.generator, device=device)

    def below(self, limit: int) -> Tensor:
        """Random integers, (n,), from 0 to below the limit."""
        shape, device = (len(self.noisy),), self.noisy.device
        return torch.randint(limit, shape, generator=self.generator, device=device)

    def one_of(self, choices: Tensor) -> Tensor:
        """One random element of each row of `choices`, (n, k, ...): (n, ...)."""
        nth = torch.arange(len(choices), device=choices.device)
        return choices[nth, self.below(choices.shape[1])]

    def loss(self, noise_pred: Tensor) -> Tensor:
        """Mean squared error, weighted by `weights`."""
        errors = (noise_pred.float() - self.noise).square().mean(dim=1)
        return (errors * self.weights).mean()


class SteeringSampler:
    """Samples batches, each of one size, from parts, whose tensors it keeps on the device.

    `clean` is the name of the latents to which noise is added; rows without them are not used.
    `names` are those of the tensors in `SteeringBatch.rows`, and `timesteps` those of the noise (by
    default, all).
    """

    def __init__(
        self,
        parts: Sequence[Part],
        clean: str,
        names: Sequence[str],
        batch: int,
        device: torch.device,
        timesteps: Tensor | None = None,
    ) -> None:
        self._batch, self._device, self._clean = batch, device, clean
        self._parts = [{name: part[name].to(device) for name in {clean, *names}} for part in parts]
        self._names = names
        self._sizes = torch.tensor([float(len(part[clean])) for part in parts])
        self._counts = [_counts(part, clean).to(device) for part in parts]
        self._of_things = [weights_by_count(part[clean].shape[-2:]).to(device) for part in parts]
        self._noising = Noising(device, timesteps)

    def sample(self, generator: torch.Generator) -> SteeringBatch:
        """A batch, determined by the generator, which is one of the CPU."""
        nth = int(torch.multinomial(self._sizes, 1, generator=generator))
        seed = int(torch.randint(2**62, (1,), generator=generator))
        here = torch.Generator(self._device).manual_seed(seed)
        part = self._parts[nth]
        count = len(part[self._clean])
        indices = torch.randint(count, (self._batch,), generator=here, device=self._device)
        clean = part[self._clean][indices].float()
        noisy, noise, timesteps, of_timesteps = self._noising.noisy(clean, here)
        weights = self._of_things[nth][self._counts[nth][indices]]
        return SteeringBatch(
            noisy,
            noise,
            timesteps,
            weights * of_timesteps.reshape(-1, 1, 1),
            {name: part[name][indices] for name in self._names},
            here,
        )


def _counts(part: Part, clean: str) -> Tensor:
    """The numbers of things in the scenes that have these latents."""
    rendered, encoded = len(part["counts"]), len(part[clean])
    return part["counts"] if rendered == encoded else part[f"{clean}_counts"]


def guided_loss(batch: SteeringBatch, predict: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The loss of a model in which guidance is distilled, as `denoiser.distill_guidance` does it.

    `predict(noisy, timesteps)` is called with two rows of each picture, those without the prompt
    first, and returns their noise predictions.
    """
    noisy = torch.cat([batch.noisy] * 2).contiguous(memory_format=torch.channels_last)
    predicted = predict(noisy, batch.timesteps.repeat(2)).float()
    noise_pred_uncond, noise_pred_text = predicted.chunk(2)
    noise_pred = noise_pred_uncond + (noise_pred_text - noise_pred_uncond) / GUIDANCE_RATIO
    return batch.loss(noise_pred) + batch.loss(noise_pred_uncond)
