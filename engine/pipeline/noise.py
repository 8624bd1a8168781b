"""Seeded noise: one CPU generator for each image, used in the order of diffusers' pipelines."""

import math
from collections.abc import Sequence
from typing import Final

import torch

from engine.contract import Recipe

NEARLY_PARALLEL: Final = 0.9995
"""Cosine above which the interpolation is linear, because spherical interpolation loses precision.
"""


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


def slerp(a: torch.Tensor, b: torch.Tensor, t: float) -> torch.Tensor:
    """Spherical linear interpolation from `a` (t = 0) to `b` (t = 1), computed in float64.

    Nearly parallel or opposite tensors, and NaN, are interpolated linearly. (Shoemake 1985,
    https://doi.org/10.1145/325165.325242)
    """
    if t in (0.0, 1.0):
        return b if t else a
    x, y = a.double(), b.double()
    cosine = float((x * y).sum() / (x.norm() * y.norm()))
    if not abs(cosine) < NEARLY_PARALLEL:
        return (x * (1.0 - t) + y * t).to(a.dtype)
    angle = math.acos(cosine)
    weights = math.sin((1.0 - t) * angle), math.sin(t * angle)
    return ((x * weights[0] + y * weights[1]) / math.sin(angle)).to(a.dtype)
