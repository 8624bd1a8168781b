"""Encode reference images with CLIP, as diffusers' pipelines do."""

from functools import partial
from typing import Final

import torch
from PIL import Image
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from engine.device import Device
from engine.steering.recent import RecentValues

CACHE_SIZE: Final = 64
"""Number of images whose encodings are cached; one takes up to 1.3 MB in float32."""
_MAX_RATIO: Final = 8
"""Of the sides of an image that is processed as a whole."""
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
        pixels = self._processor(self._centre(image), return_tensors="pt").pixel_values
        pixels = pixels.to(self._device.torch_device, self._device.dtype)
        if self._is_pooled:
            embeds: torch.Tensor = self.network(pixels).image_embeds
            return torch.zeros_like(embeds) if is_zero else embeds
        pixels = torch.zeros_like(pixels) if is_zero else pixels
        output = self.network(pixels, output_hidden_states=True)
        hidden_states: torch.Tensor = output.hidden_states[-2]
        return hidden_states

    def _centre(self, image: Image.Image) -> Image.Image:
        """The image without the ends of a thin strip, which the processor cuts off anyway: it first
        enlarges the whole strip, and that takes much memory."""
        longest = _MAX_RATIO * min(image.size)
        width, height = (min(side, longest) for side in image.size)
        if (width, height) == image.size or not self._processor.do_center_crop:
            return image
        left, top = (image.width - width) // 2, (image.height - height) // 2
        return image.crop((left, top, left + width, top + height))
