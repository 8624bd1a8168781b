"""Interpolation of noise and of embeddings."""

import math
from typing import Final

import torch

NEARLY_PARALLEL: Final = 0.9995
"""Cosine above which the interpolation is linear, because spherical interpolation loses precision.
"""


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
