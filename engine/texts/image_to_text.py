"""Models that describe pictures, such as BLIP and GIT; loaded with transformers."""

from typing import Any, Final

import torch
from PIL import Image

from engine.contract import MAX_TEXTS, pixels_sha256
from engine.texts.loading import Kind, Parts, load_parts

MAX_NEW_TOKENS: Final = 40
_KIND: Final = Kind("captioner", "image-to-text model", "Salesforce/blip-image-captioning-large")
_SAMPLING: Final[dict[str, Any]] = {"do_sample": True, "top_p": 0.9}


class ImageToText:
    """Implements Captioner with an image-to-text model of transformers."""

    def __init__(self, parts: Parts) -> None:
        self.card, self._network, self._processor = parts

    @torch.inference_mode()
    def describe(self, image: Image.Image) -> tuple[str, ...]:
        """The most probable text, and others that are drawn, seeded by the pixels."""
        pixels = self._processor(images=image, return_tensors="pt")["pixel_values"]
        best = self._texts(pixels, num_beams=3, do_sample=False)
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(int(pixels_sha256(image)[:15], 16))
            others = self._texts(pixels, num_return_sequences=MAX_TEXTS - 1, **_SAMPLING)
        return tuple(dict.fromkeys(text for text in (*best, *others) if text))

    def _texts(self, pixels: torch.Tensor, **options: Any) -> list[str]:  # noqa: ANN401 - of `generate`
        output = self._network.generate(
            pixel_values=pixels, max_new_tokens=MAX_NEW_TOKENS, **options
        )
        texts = self._processor.batch_decode(output, skip_special_tokens=True)
        return [" ".join(text.split()) for text in texts]


def load(name: str) -> ImageToText:
    """The image-to-text model of this hub id or folder. Raises EngineError as `load_parts` does."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    parts = load_parts(
        name, _KIND, AutoModelForImageTextToText.from_pretrained, AutoProcessor.from_pretrained
    )
    return ImageToText(parts)
