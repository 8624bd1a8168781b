"""The verdict on each picture: may it be shown? When in doubt, no."""

import logging
from typing import Any

import numpy
import torch
from PIL import Image

from engine.hardware import Hardware

log = logging.getLogger(__name__)


class Checker:
    """Stable Diffusion's own safety checker, closed when it fails."""

    def __init__(self, network: Any, extractor: Any, hardware: Hardware) -> None:  # noqa: ANN401
        self._network = network
        self._extractor = extractor
        self._hardware = hardware

    def flagged(self, picture: Image.Image) -> bool:
        """Must this picture be withheld? True as well when the check itself fails."""
        try:
            return self._verdict(picture)
        except Exception:
            log.exception("the safety check failed, so the picture is withheld")
            return True

    @torch.inference_mode()
    def _verdict(self, picture: Image.Image) -> bool:
        seen = self._extractor(picture, return_tensors="pt").pixel_values
        seen = seen.to(self._hardware.device, self._hardware.dtype)
        if not torch.isfinite(seen).all():
            raise ValueError("the checker cannot see this picture")
        # It blackens what it flags in `images`, which we have no use for.
        _, verdicts = self._network(clip_input=seen, images=[numpy.zeros((1, 1, 3))])
        return bool(verdicts[0])
