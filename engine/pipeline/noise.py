"""Seeded noise: one CPU generator for each picture, drawn in the order of diffusers' pipelines."""

import math
from collections.abc import Sequence
from typing import Final

import torch

from engine.contract import Recipe

NEARLY_PARALLEL: Final = 0.9995
"""Cosine beyond which a spherical mixture loses its digits and a straight one is as good."""


class Noise:
    """The random numbers of one picture.

    What comes before the first step (a source's latents, the first noise) is mixed from the seed's
    and the subseed's draws; what a sampler adds later comes from the seed alone.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._seeded = torch.Generator("cpu").manual_seed(recipe.seed)
        self._subseeded = torch.Generator("cpu").manual_seed(recipe.subseed)
        self._strength = recipe.subseed_strength

    def own(self, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        """The seed's next numbers, normally distributed, on the CPU."""
        return torch.randn(*shape, generator=self._seeded, dtype=dtype)

    def draw(self, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        """The next mixture of both seeds' numbers, on the CPU."""
        own = self.own(shape, dtype)
        if self._strength == 0.0:
            return own
        other = torch.randn(*shape, generator=self._subseeded, dtype=dtype)
        return slerp(own, other, self._strength)


def slerp(low: torch.Tensor, high: torch.Tensor, share: float) -> torch.Tensor:
    """The mixture on the arc from `low` (share 0) to `high` (share 1): as long as they are.

    Two tensors that point nearly the same way, or opposite ways, have no one arc between them;
    they are mixed straight. (Shoemake 1985, https://doi.org/10.1145/325165.325242)
    """
    if share in (0.0, 1.0):
        return high if share else low
    one, two = low.double(), high.double()
    cosine = float((one * two).sum() / (one.norm() * two.norm()))
    if not abs(cosine) < NEARLY_PARALLEL:
        return (one * (1.0 - share) + two * share).to(low.dtype)
    angle = math.acos(cosine)
    ways = math.sin((1.0 - share) * angle), math.sin(share * angle)
    return ((one * ways[0] + two * ways[1]) / math.sin(angle)).to(low.dtype)
