"""Small decoders of latents for previews: AutoencoderTiny, such as TAESD
(https://github.com/madebyollin/taesd), from folders or from the hub's cache."""

import logging
import math
import os
from functools import lru_cache
from typing import Final

import torch
from diffusers import AutoencoderTiny

from engine.device import Device
from engine.errors import EngineError, ModelCorrupt
from engine.weights.hub import cached_snapshot
from engine.weights.model_folder import LOAD_ERRORS, find_folder

DECODER_VARIABLE: Final = "IMAGINE_PREVIEW_DECODER"
log = logging.getLogger(__name__)


class PreviewDecoder:
    """A loaded AutoencoderTiny."""

    def __init__(self, name: str, network: AutoencoderTiny) -> None:
        """Raises ModelCorrupt if its configuration does not say how latents are scaled."""
        for field in ("scaling_factor", "shift_factor"):
            value = network.config[field]
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise ModelCorrupt(f"its {field} is {value!r}, which is not a number.")
        self.name = name
        self._network = network

    @property
    def channels(self) -> int:
        """Of the latents that it decodes."""
        channels: int = self._network.config.latent_channels
        return channels

    @torch.inference_mode()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Colours from 0 to 1, (3, 8 x rows, 8 x columns), of the latents of a denoiser (1,
        channels, rows, columns). They may be NaN.
        """
        config, weight = self._network.config, next(self._network.parameters())
        latents = latents.to(weight.device, weight.dtype) / config.scaling_factor
        pixels: torch.Tensor = self._network.decode(latents + config.shift_factor).sample
        return (pixels[0].float() / 2 + 0.5).clamp(0, 1)


def preview_decoders(device: Device) -> tuple[PreviewDecoder, ...]:
    """Those of IMAGINE_PREVIEW_DECODER, loaded once. A warning is logged for each that cannot be
    loaded."""
    names = os.environ.get(DECODER_VARIABLE, "")
    return _load_all(names, device.torch_device, device.dtype)


@lru_cache(2)
def _load_all(names: str, device: torch.device, dtype: torch.dtype) -> tuple[PreviewDecoder, ...]:
    decoders = []
    for name in filter(None, map(str.strip, names.split(","))):
        try:
            decoders.append(PreviewDecoder(name, _load(name, device, dtype)))
        except (*LOAD_ERRORS, EngineError) as error:
            reason = " ".join(str(error).split())
            log.warning(
                "%s names %s, which cannot be loaded, so previews are made without it: %s",
                *(DECODER_VARIABLE, name, reason),
            )
    return tuple(decoders)


def _load(name: str, device: torch.device, dtype: torch.dtype) -> AutoencoderTiny:
    folder = find_folder(name, f"the preview decoder {name}") or cached_snapshot(name)
    network, info = AutoencoderTiny.from_pretrained(
        folder,
        torch_dtype=dtype,
        use_safetensors=True,
        local_files_only=True,
        low_cpu_mem_usage=False,
        output_loading_info=True,
    )
    if gaps := [*info["missing_keys"], *info["mismatched_keys"]]:
        raise ModelCorrupt(f"it lacks {len(gaps)} of its weights, such as {gaps[0]}.")
    return network.to(device).requires_grad_(requires_grad=False).eval()
