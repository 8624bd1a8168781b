"""Encode reference images with CLIP, as diffusers' pipelines do."""

from functools import partial
from typing import Final

import torch
from PIL import Image
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from engine.device import Device
from engine.steering.recent import RecentValues

CACHE_SIZE: Final = 32
"""Number of images whose encodings are cached; one takes up to 1.3 MB in float32."""
_UNCONDITIONAL: Final = ""
"""Stands for a digest."""


class ImageEncoder:
    """Encodes images. Thread-safe."""

    def __init__(
        self,
        network: CLIPVisionModelWithProjection,
        processor: CLIPImageProcessor,
        device: Device,
        *,
        is_pooled: bool = True,
    ) -> None:
        """The encoding is the embedding of an image; or, if it is not pooled, the hidden states of
        the last layer but one."""
        self.network = network
        self._processor = processor
        self._device = device
        self._is_pooled = is_pooled
        self._encodings = RecentValues[str, torch.Tensor](CACHE_SIZE)

    def encode(self, digest: str, image: Image.Image) -> torch.Tensor:
        """The encoding of the image of this digest: (1, channels), or (1, tokens, channels) if it
        is not pooled."""
        return self._encodings.get(digest, partial(self._encode, image))

    def unconditional(self) -> torch.Tensor:
        """The encoding for unconditional rows."""
        size = self.network.config.image_size
        black = Image.new("RGB", (size, size))
        return self._encodings.get(_UNCONDITIONAL, partial(self._encode, black, is_zero=True))

    def clear(self) -> None:
        """Drop the cached encodings."""
        self._encodings.clear()

    @torch.inference_mode()
    def _encode(self, image: Image.Image, *, is_zero: bool = False) -> torch.Tensor:
        """As `encode_image` of diffusers' pipelines: unconditional rows have zeros in place of
        embeddings or, if these are not pooled, in place of pixels."""
        pixels = self._processor(image, return_tensors="pt").pixel_values
        pixels = pixels.to(self._device.torch_device, self._device.dtype)
        if self._is_pooled:
            embeds: torch.Tensor = self.network(pixels).image_embeds
            return torch.zeros_like(embeds) if is_zero else embeds
        pixels = torch.zeros_like(pixels) if is_zero else pixels
        output = self.network(pixels, output_hidden_states=True)
        hidden_states: torch.Tensor = output.hidden_states[-2]
        return hidden_states
