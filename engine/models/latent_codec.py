"""The VAE of a latent diffusion model: from images to latents and back."""

from collections.abc import Callable
from typing import Any

import torch
from diffusers import AutoencoderKL
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from engine.contract import Backend
from engine.device import Device
from engine.errors import InvalidJob


class LatentCodec:
    """Encodes images and decodes latents. Latents have the shape
    (rows, channels, height / 8, width / 8)."""

    def __init__(
        self,
        vae: AutoencoderKL,
        scale_factor: int,
        device: Device,
        decode_by_openvino: Callable[[torch.Tensor], torch.Tensor],
    ) -> None:
        """`scale_factor` is the side of a latent pixel in pixels."""
        self._vae = vae
        self._dtype = vae.dtype  # diffusers searches all modules in each call
        self._device = device
        self._decode_by_openvino = decode_by_openvino
        self._processor = VaeImageProcessor(vae_scale_factor=scale_factor)

    def encode(
        self, image: Image.Image, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Mean and standard deviation of an image's latents, before `scale`; without the latter,
        the latents are the mean. Where `mask` is 1, (1, 1, height, width), the image is grey."""
        pixels = self._processor.preprocess(image)
        if mask is not None:
            pixels = pixels * (mask < 0.5)
        latent_dist = self._vae.encode(
            pixels.to(self._device.torch_device, self._dtype)
        ).latent_dist
        return latent_dist.mean, latent_dist.std

    def scale(self, latents: torch.Tensor) -> torch.Tensor:
        """Encoded latents, normalised to the range of the denoiser's input."""
        mean, std = self._mean_and_std(latents)
        scaled: torch.Tensor = (latents - mean) * (self._vae.config.scaling_factor / std)
        return scaled

    def decode(self, latents: torch.Tensor, backend: Backend) -> torch.Tensor:
        """The pixels of latents, (rows, 3, height, width), from -1 to 1."""
        latents = latents.to(self._dtype)
        mean, std = self._mean_and_std(latents)
        latents = latents / (self._vae.config.scaling_factor / std) + mean
        if backend is not Backend.TORCH:
            return self._decode_by_openvino(latents)
        pixels: torch.Tensor = self._vae.decode(latents, return_dict=False)[0]
        return pixels

    def image(self, pixels: torch.Tensor) -> Image.Image:
        """The image of pixels (1, 3, height, width). Raises InvalidJob if they overflow or the
        image is black."""
        if not torch.isfinite(pixels).all():
            raise InvalidJob("The model's values overflowed: try another seed, size or sampler.")
        image: Image.Image = self._processor.postprocess(pixels, output_type="pil")[0]
        if image.getbbox() is None:
            raise InvalidJob("The picture is completely black: try another seed or prompt.")
        return image

    def _mean_and_std(self, like: torch.Tensor) -> tuple[Any, Any]:
        """Mean and standard deviation of encoded latents, (1, channels, 1, 1) each, or numbers."""
        config = self._vae.config
        mean, std = (config.get(name) for name in ("latents_mean", "latents_std"))
        if mean is None or std is None:
            return config.get("shift_factor") or 0.0, 1.0
        return like.new_tensor(mean).view(1, -1, 1, 1), like.new_tensor(std).view(1, -1, 1, 1)
