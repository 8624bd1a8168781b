"""The safety checker of Stable Diffusion: CLIP similarity of an image to forbidden concepts."""

from typing import Final

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import (
    StableDiffusionSafetyChecker,
    cosine_distance,
)
from PIL import Image
from transformers import CLIPImageProcessor

from engine.contract import Verdict
from engine.device import Device
from engine.safety import BUILTIN

_ADJUSTMENT: Final = 0.01
"""Added to all margins of an image that matches a special-care concept, as diffusers does."""


class ConceptChecker:
    """Like diffusers' StableDiffusionSafetyChecker, which flags the same images, with a score."""

    name = BUILTIN

    def __init__(
        self, network: StableDiffusionSafetyChecker, extractor: CLIPImageProcessor, device: Device
    ) -> None:
        self.network = network
        self._extractor = extractor
        self._device = device

    def check(self, image: Image.Image) -> Verdict:
        """Flagged above a score of 0.5: the margin of the closest concept, mapped from -1..1 to
        0..1. Raises ValueError if the embeddings are not finite."""
        margin = self._margin(image)
        score = min(1.0, max(0.0, (1.0 + margin) / 2))
        return Verdict(checker=self.name, score=score, flagged=margin > 0)

    @torch.inference_mode()
    def _margin(self, image: Image.Image) -> float:
        """Cosine similarity minus threshold, of the concept where that is highest."""
        clip_input = self._extractor(image, return_tensors="pt").pixel_values
        clip_input = clip_input.to(self._device.torch_device, self._device.dtype)
        pooled_output = self.network.vision_model(clip_input)[1]
        image_embeds = self.network.visual_projection(pooled_output)
        special = self._margins(image_embeds, "special_care_embeds")
        concepts = self._margins(image_embeds, "concept_embeds")
        if not torch.isfinite(torch.cat([special, concepts])).all():
            raise ValueError("the embedding of the picture is not finite")
        adjustment = _ADJUSTMENT if bool((special.round(decimals=3) > 0).any()) else 0.0
        return float((concepts + adjustment).round(decimals=3).max())

    def _margins(self, image_embeds: torch.Tensor, embeds_name: str) -> torch.Tensor:
        embeds = getattr(self.network, embeds_name)
        cosines = cosine_distance(image_embeds, embeds)[0].cpu().float()
        thresholds = getattr(self.network, f"{embeds_name}_weights").cpu().float()
        margins: torch.Tensor = cosines - thresholds
        return margins
