"""Latents to small pictures, without the decoder's work: colours only."""

from functools import cache
from typing import Final

import torch
from PIL import Image

from engine.models.base import PaintModel

LONGEST_SIDE: Final = 256
"""Pixels of one preview; a grid of four is twice as wide."""
_PATCHES: Final = 8
_SIDE: Final = 16
"""Calibration: 8 x 8 patches of colour, each of 16 x 16 latent pixels."""


class Previews:
    """A linear map from a latent pixel to a colour, fitted to the model's own autoencoder."""

    def __init__(self, latents: torch.Tensor, colours: torch.Tensor) -> None:
        """From samples: latents (samples, channels) and colours (samples, 3) in 0 to 1."""
        known = _with_one(latents.double().cpu())
        self._map = torch.linalg.lstsq(known, colours.double().cpu()).solution

    def picture(self, latents: torch.Tensor, width: int, height: int) -> Image.Image:
        """What these latents (channels, height / 8, width / 8) will roughly look like."""
        channels, rows, columns = latents.shape
        flat = latents.double().cpu().reshape(channels, -1).T
        colours = (_with_one(flat) @ self._map).nan_to_num().clamp(0, 1).mul(255).round().byte()
        small = Image.frombytes("RGB", (columns, rows), colours.numpy().tobytes())
        share = min(1.0, LONGEST_SIDE / max(width, height))
        size = max(1, round(width * share)), max(1, round(height * share))
        return small.resize(size, Image.Resampling.BICUBIC)


def _with_one(latents: torch.Tensor) -> torch.Tensor:
    return torch.cat([latents, torch.ones(len(latents), 1, dtype=latents.dtype)], dim=1)


def calibration() -> Image.Image:
    """A picture of soft colour patches that covers the cube of colours evenly."""
    levels = torch.linspace(0, 255, 4)
    cube = torch.cartesian_prod(levels, levels, levels)  # 64 colours, one for each patch
    shuffled = cube[torch.randperm(len(cube), generator=torch.Generator().manual_seed(0))]
    patches = shuffled.round().byte().reshape(_PATCHES, _PATCHES, 3)
    small = Image.frombytes("RGB", (_PATCHES, _PATCHES), patches.numpy().tobytes())
    side = _PATCHES * _SIDE * 8 // 4
    return small.resize((side, side), Image.Resampling.BILINEAR)


def samples(picture: Image.Image, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Latent pixels of this picture, (1, channels, rows, columns), and the colour under each."""
    _, channels, rows, columns = latents.shape
    small = picture.resize((columns, rows), Image.Resampling.BOX)
    colours = torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).reshape(-1, 3)
    return latents[0].reshape(channels, -1).T, colours.double() / 255


@cache
def fitted(model: PaintModel) -> Previews:
    """Previews for this model, from what its autoencoder makes of the calibration picture."""
    with torch.inference_mode():
        picture = calibration()
        mean, _ = model.encode(picture)
        return Previews(*samples(picture, model.scale(mean)))
