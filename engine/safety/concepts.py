"""The safety checker that Stable Diffusion brings: how near is a picture to forbidden concepts?"""

from typing import Any, Final

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import cosine_distance
from PIL import Image

from engine.contract import Verdict
from engine.device import Device
from engine.safety import OWN

_CARE: Final = 0.01
"""How much nearer a picture counts that shows what needs special care."""


class ConceptChecker:
    """diffusers' StableDiffusionSafetyChecker, with a score: its verdicts are diffusers' own."""

    name = OWN

    def __init__(self, network: Any, extractor: Any, device: Device) -> None:  # noqa: ANN401
        self._network = network
        self._extractor = extractor
        self._device = device

    def look(self, picture: Image.Image) -> Verdict:
        """A score above 0.5 is flagged: it is the margin of the nearest concept, from -1 to 1,
        moved to 0 to 1. Raises ValueError if the numbers are none."""
        margin = self._margin(picture)
        score = min(1.0, max(0.0, (1.0 + margin) / 2))
        return Verdict(checker=self.name, score=score, flagged=margin > 0)

    @torch.inference_mode()
    def _margin(self, picture: Image.Image) -> float:
        """Of cosine over threshold, of the nearest concept, as StableDiffusionSafetyChecker counts
        it."""
        seen = self._extractor(picture, return_tensors="pt").pixel_values
        seen = seen.to(self._device.torch_device, self._device.dtype)
        embeds = self._network.visual_projection(self._network.vision_model(seen)[1])
        special = self._margins(embeds, "special_care_embeds")
        concepts = self._margins(embeds, "concept_embeds")
        if not torch.isfinite(torch.cat([special, concepts])).all():
            raise ValueError("the checker cannot see this picture")
        care = _CARE if bool((special.round(decimals=3) > 0).any()) else 0.0
        return float((concepts + care).round(decimals=3).max())

    def _margins(self, embeds: torch.Tensor, which: str) -> torch.Tensor:
        cosines = cosine_distance(embeds, getattr(self._network, which))[0].cpu().float()
        thresholds = getattr(self._network, f"{which}_weights").cpu().float()
        margins: torch.Tensor = cosines - thresholds
        return margins
