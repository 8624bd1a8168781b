"""Previews of latents without the VAE decoder: by a small decoder if there is one for the model,
else by a linear map from latent channels to RGB."""

import logging
import math
from typing import Final, Protocol
from weakref import WeakKeyDictionary

import torch
from PIL import Image

from engine.device.errors import is_out_of_memory
from engine.models.base import DiffusionModel
from engine.models.preview_decoder import PreviewDecoder, preview_decoders

MAX_SIDE: Final = 256
"""Longest side of one preview in pixels; a grid of four is twice as wide."""
_PATCHES: Final = 8
_PATCH_SIDE: Final = 32
"""The calibration image has 8 x 8 patches of colour, each of 32 x 32 pixels."""
log = logging.getLogger(__name__)


class Previewer(Protocol):
    """Makes rough images of latents."""

    def image(self, latents: torch.Tensor, width: int, height: int) -> Image.Image:
        """A rough image of latents (channels, height / 8, width / 8), at most MAX_SIDE wide and
        high."""


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
        small = _to_image(colours.nan_to_num().clamp(0, 1).reshape(rows, columns, 3))
        return small.resize(_preview_size(width, height), Image.Resampling.BICUBIC)


class DecoderPreviewer:
    """Previews by a small decoder, and by a linear map where that fails."""

    def __init__(self, decoder: PreviewDecoder, rough: Latent2RGB, *, reduces: bool) -> None:
        """`reduces` averages the latents of large images first, because a CPU is slow."""
        self.decoder = decoder
        self._rough = rough
        self._reduces = reduces

    def image(self, latents: torch.Tensor, width: int, height: int) -> Image.Image:
        """A preview of latents (channels, height / 8, width / 8), at most MAX_SIDE wide and
        high."""
        try:
            decoded = self._decode(latents, max(width, height))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            decoded = None
        if decoded is None:
            return self._rough.image(latents, width, height)
        return decoded.resize(_preview_size(width, height), Image.Resampling.BICUBIC)

    def _decode(self, latents: torch.Tensor, side: int) -> Image.Image | None:
        factor = math.ceil(side / MAX_SIDE) if self._reduces else 1
        reduced = torch.nn.functional.avg_pool2d(latents[None].float(), factor, ceil_mode=True)
        colours = self.decoder.decode(reduced)
        return _to_image(colours.permute(1, 2, 0)) if colours.isfinite().all() else None


def _preview_size(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, MAX_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _to_image(colours: torch.Tensor) -> Image.Image:
    """The image of colours from 0 to 1, (rows, columns, 3)."""
    rows, columns, _ = colours.shape
    levels = colours.mul(255).round().byte().contiguous().cpu()
    return Image.frombytes("RGB", (columns, rows), levels.numpy().tobytes())


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


_previewers: Final[WeakKeyDictionary[DiffusionModel, Previewer]] = WeakKeyDictionary()


def previewer_for(model: DiffusionModel) -> Previewer:
    """The previewer of this model, chosen and fitted at the first call."""
    if model not in _previewers:
        _previewers[model] = _fit(model)
    return _previewers[model]


@torch.inference_mode()
def _fit(model: DiffusionModel) -> Previewer:
    """The decoder that restores the calibration image best; a linear map if there is none."""
    image = calibration_image()
    mean, _ = model.encode_image(image)
    latents = model.scale_latents(mean)
    rough = Latent2RGB(*calibration_samples(image, latents))
    errors = [
        (error, nth, decoder)
        for nth, decoder in enumerate(preview_decoders(model.device))
        if (error := _error(decoder, latents, image)) is not None
    ]
    if not errors:
        return rough
    *_, decoder = min(errors)
    log.info("previews of %s are made by %s", model.card.name, decoder.name)
    is_slow = model.device.torch_device.type == "cpu"
    return DecoderPreviewer(decoder, rough, reduces=is_slow)


def _error(decoder: PreviewDecoder, latents: torch.Tensor, image: Image.Image) -> float | None:
    """Mean difference of an image and what the decoder makes of its latents; None if it fails or
    that is not an image of this size."""
    if decoder.channels != latents.shape[1]:
        return None
    try:
        colours = decoder.decode(latents)
    except (TypeError, ValueError, RuntimeError, MemoryError) as error:
        reason = " ".join(str(error).split())
        log.warning("the preview decoder %s fails, so it is not used: %s", decoder.name, reason)
        return None
    if colours.shape != (3, image.height, image.width) or not colours.isfinite().all():
        log.warning("the preview decoder %s gives no picture, so it is not used", decoder.name)
        return None
    levels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    expected = levels.reshape(image.height, image.width, 3).permute(2, 0, 1) / 255
    return float((colours.cpu() - expected).abs().mean())
