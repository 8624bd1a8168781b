"""Previews of latents without the VAE decoder: a linear map from latent channels to RGB."""

from typing import Final
from weakref import WeakKeyDictionary

import torch
from PIL import Image

from engine.models.base import DiffusionModel

MAX_SIDE: Final = 256
"""Longest side of one preview in pixels; a grid of four is twice as wide."""
_PATCHES: Final = 8
_PATCH_SIDE: Final = 32
"""The calibration image has 8 x 8 patches of colour, each of 32 x 32 pixels."""


class Latent2RGB:
    """A linear map from a latent pixel to a colour, fitted by least squares.

    Like ComfyUI's Latent2RGB, but with factors that are fitted to the model's VAE.
    """

    def __init__(self, latents: torch.Tensor, colours: torch.Tensor) -> None:
        """Fit the map to samples: latents (samples, channels), colours (samples, 3) from 0 to 1."""
        inputs = _with_bias(latents.double().cpu())
        self._factors = torch.linalg.lstsq(inputs, colours.double().cpu()).solution

    def image(self, latents: torch.Tensor, width: int, height: int) -> Image.Image:
        """A rough image of latents (channels, height / 8, width / 8), at most MAX_SIDE wide."""
        channels, rows, columns = latents.shape
        pixels = latents.double().cpu().reshape(channels, -1).T
        colours = _with_bias(pixels) @ self._factors
        levels = colours.nan_to_num().clamp(0, 1).mul(255).round().byte()
        small = Image.frombytes("RGB", (columns, rows), levels.numpy().tobytes())
        scale = min(1.0, MAX_SIDE / max(width, height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return small.resize(size, Image.Resampling.BICUBIC)


def _with_bias(latents: torch.Tensor) -> torch.Tensor:
    return torch.cat([latents, torch.ones(len(latents), 1, dtype=latents.dtype)], dim=1)


def calibration_image() -> Image.Image:
    """An image of soft patches whose colours cover the RGB cube evenly."""
    levels = torch.linspace(0, 255, 4)
    cube = torch.cartesian_prod(levels, levels, levels)  # 64 colours, one for each patch
    shuffled = cube[torch.randperm(len(cube), generator=torch.Generator().manual_seed(0))]
    patches = shuffled.round().byte().reshape(_PATCHES, _PATCHES, 3)
    small = Image.frombytes("RGB", (_PATCHES, _PATCHES), patches.numpy().tobytes())
    side = _PATCHES * _PATCH_SIDE
    return small.resize((side, side), Image.Resampling.BILINEAR)


def calibration_samples(
    image: Image.Image, latents: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The latent pixels of an image, (samples, channels), and the colour of each, (samples, 3).

    `latents` has the shape (1, channels, rows, columns).
    """
    _, channels, rows, columns = latents.shape
    small = image.resize((columns, rows), Image.Resampling.BOX)
    colours = torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).reshape(-1, 3)
    return latents[0].reshape(channels, -1).T, colours.double() / 255


_previewers: Final[WeakKeyDictionary[DiffusionModel, Latent2RGB]] = WeakKeyDictionary()


def previewer_for(model: DiffusionModel) -> Latent2RGB:
    """The previewer of this model, fitted at the first call."""
    if model not in _previewers:
        _previewers[model] = _fit(model)
    return _previewers[model]


@torch.inference_mode()
def _fit(model: DiffusionModel) -> Latent2RGB:
    image = calibration_image()
    mean, _ = model.encode_image(image)
    return Latent2RGB(*calibration_samples(image, model.scale_latents(mean)))
