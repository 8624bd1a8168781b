"""Masks as tensors: of the pixels of an image, and of its latents."""

import torch
from PIL import Image

from engine.imaging.masks import THRESHOLD


def mask_tensor(mask: Image.Image) -> torch.Tensor:
    """The mask as numbers 0 and 1, (1, 1, height, width), float32."""
    levels = torch.frombuffer(bytearray(mask.tobytes()), dtype=torch.uint8)
    return (levels >= THRESHOLD).float().reshape(1, 1, mask.height, mask.width)


def latent_mask(mask: torch.Tensor, rows: int, columns: int, interpolation: str) -> torch.Tensor:
    """A mask of `mask_tensor` at the size of latents, (1, 1, rows, columns).

    If it is so thin that nothing of it is left, it is painted where any part of it is.
    """
    small = torch.nn.functional.interpolate(mask, size=(rows, columns), mode=interpolation)
    if small.max() > 0:
        return small
    return torch.nn.functional.adaptive_max_pool2d(mask, (rows, columns))
