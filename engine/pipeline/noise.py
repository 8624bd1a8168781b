"""Seeded noise: one CPU generator for each image, used in the order of diffusers' pipelines."""

from collections.abc import Sequence

import torch

from engine.contract import Recipe
from engine.steering.interpolation import slerp


class Noise:
    """The random numbers of one image.

    The noise before the first step (for sampling the init image's latents, and the initial noise)
    is that of the seed, with the noise of one subseed after the other mixed in. Step noise comes
    from the seed alone.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._seed_generator = torch.Generator("cpu").manual_seed(recipe.seed)
        self._subseeds = [
            (torch.Generator("cpu").manual_seed(subseed.seed), subseed.share)
            for subseed in recipe.subseeds
        ]

    def seed_noise(self, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        """The next normally distributed noise of the seed, on the CPU."""
        return torch.randn(*shape, generator=self._seed_generator, dtype=dtype)

    def mixed_noise(self, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        """The next noise of the seed, mixed with that of the subseeds, on the CPU."""
        noise = self.seed_noise(shape, dtype)
        for generator, share in self._subseeds:
            subseed_noise = torch.randn(*shape, generator=generator, dtype=dtype)
            noise = slerp(noise, subseed_noise, share)
        return noise
