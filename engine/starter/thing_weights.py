"""Weights of losses: errors count more where the things of a scene are."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from engine.starter.scenes import nominal_position

THING_WEIGHT: Final = 3.0
"""Loss weight of the latent pixels where the things are; it is 1 elsewhere."""
LATENT_PIXEL: Final = 8
MAX_THINGS: Final = 2
"""Of a scene."""
_BOX: Final = (-0.62, -0.05, 0.62, 1.05)
"""Left, bottom, right and top of the box that contains any thing, in units of its height."""


def weights_by_count(size: Sequence[int]) -> Tensor:
    """The loss weights of the latent pixels, (MAX_THINGS + 1, h, w), by the number of things."""
    return torch.stack([thing_weights(count, size) for count in range(MAX_THINGS + 1)])


def thing_weights(things: int, size: Sequence[int]) -> Tensor:
    """The loss weights of the latent pixels, (h, w), of a scene with so many things."""
    height, width = (side * LATENT_PIXEL for side in size)
    y, x = (torch.arange(side) * LATENT_PIXEL + LATENT_PIXEL / 2 for side in size)
    weights = torch.ones(*size)
    left, bottom, right, top = _BOX
    for nth in range(things):
        foot_x, foot_y, tall = nominal_position((width, height), nth, things)
        across = (x >= foot_x + left * tall) & (x <= foot_x + right * tall)
        down = (y >= foot_y - top * tall) & (y <= foot_y - bottom * tall)
        weights[down[:, None] & across[None]] = THING_WEIGHT
    return weights
