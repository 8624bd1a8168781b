"""Batches of pairs of pictures, with noise in the second one, and their instructions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from engine.starter.denoiser import Noising
from engine.starter.steering.data import Part

CHANGE_WEIGHT: Final = 3.0
"""Loss weight of the latent pixels that an edit changes; it is 1 elsewhere."""
_CHANGED: Final = 0.25
"""Mean difference of latents, over their channels, from which a pixel counts as changed."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of one size, in one of their two directions."""

    source: Tensor
    """Latents, (n, CHANNELS, h, w)."""
    noisy: Tensor
    """Noisy latents of the edited pictures."""
    noise: Tensor
    timesteps: Tensor
    weights: Tensor
    """(n, h, w): of the latent pixels, in the loss."""
    tokens: Tensor
    """(n, MAX_TOKENS): of the instructions."""
    labels: Tensor
    """(n, len(LABEL_SIZES)): classes of the instructions."""
    generator: torch.Generator
    """Of the device."""

    def without_some_sources(self, share: float) -> "Pairs":
        """The pairs, with zeros instead of this share of the sources."""
        shape, device = (len(self.source), 1, 1, 1), self.source.device
        chances = torch.rand(shape, generator=self.generator, device=device)
        return replace(self, source=torch.where(chances < share, 0.0, self.source))

    def loss(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Mean squared error, weighted by `weights`."""
        loss: Tensor = ((predicted - target).square().mean(dim=1) * self.weights).mean()
        return loss


class PairSampler:
    """Samples pairs in both directions, each batch of one size; it keeps all on the device."""

    def __init__(self, parts: Sequence[Part], batch: int, device: torch.device) -> None:
        self._batch, self._device = batch, device
        self._parts = [{name: tensor.to(device) for name, tensor in part.items()} for part in parts]
        self._pictures = [torch.stack([part["before"], part["after"]], 1) for part in self._parts]
        self._sizes = torch.tensor([float(len(part["before"])) for part in parts])
        self._noising = Noising(device)

    def sample(self, generator: torch.Generator) -> Pairs:
        """A batch, determined by the generator, which is one of the CPU."""
        nth, indices, way, here = self._choice(generator)
        pictures = self._pictures[nth]
        source, target = pictures[indices, way].float(), pictures[indices, 1 - way].float()
        is_changed = (source - target).abs().mean(dim=1) > _CHANGED
        noisy, noise, timesteps, of_timesteps = self._noising.noisy(target, here)
        weights = torch.where(is_changed, CHANGE_WEIGHT, 1.0) * of_timesteps.reshape(-1, 1, 1)
        tokens, labels = self._words(nth, indices, way, here)
        return Pairs(source, noisy, noise, timesteps, weights, tokens, labels, here)

    def sample_instructions(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The tokens and the labels of a batch alone."""
        return self._words(*self._choice(generator))

    def _choice(self, generator: torch.Generator) -> tuple[int, Tensor, Tensor, torch.Generator]:
        """A part, indices of its pairs, their directions, and the generator of all else."""
        nth = int(torch.multinomial(self._sizes, 1, generator=generator))
        seed = int(torch.randint(2**62, (1,), generator=generator))
        here = torch.Generator(self._device).manual_seed(seed)
        return nth, self._below(len(self._pictures[nth]), here), self._below(2, here), here

    def _words(
        self, nth: int, indices: Tensor, way: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        instructions = self._parts[nth]["instructions"]
        wording = self._below(instructions.shape[2], generator)
        labels = self._parts[nth]["labels"][indices, way]
        return instructions[indices, way, wording].long(), labels

    def _below(self, limit: int, generator: torch.Generator) -> Tensor:
        return torch.randint(limit, (self._batch,), generator=generator, device=self._device)
