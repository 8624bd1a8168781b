"""OpenVINO as the backend of a latent diffusion model: its denoiser and its decoder."""

import logging
from collections.abc import Callable
from typing import Final

import msgspec
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from engine.contract import ROW_CLASSES, Backend, ModelCard, Recipe
from engine.device import Device
from engine.models.base import Conditioning, dummy_recipe, expanded
from engine.models.float8 import is_in_float8
from engine.models.openvino_copies import Inputs
from engine.models.openvino_network import OpenVinoNetwork, has_bfloat16, version
from engine.models.openvino_rewrites import VERSION

PROOF_SIDE: Final = 32
"""Side, in latent pixels, of the pictures with which it is tried; larger ones take long."""
log = logging.getLogger(__name__)
_LATENTS: Final = "latents"
_TIMESTEPS: Final = "timesteps"

Forward = Callable[[torch.Tensor, torch.Tensor, Conditioning], torch.Tensor]


class OpenVinoBackend:
    """Runs a denoiser and a decoder. Thread-safe. Nothing is converted before the first use."""

    def __init__(
        self,
        denoiser: torch.nn.Module,
        forward: Forward,
        vae: AutoencoderKL,
        device: Device,
    ) -> None:
        """`forward` is the denoiser's forward pass."""

        def run_denoiser(inputs: Inputs) -> torch.Tensor:
            conditioning = dict(inputs)
            latents, timesteps = conditioning.pop(_LATENTS), conditioning.pop(_TIMESTEPS)
            return forward(latents, timesteps, conditioning)

        def run_decoder(inputs: Inputs) -> torch.Tensor:
            pixels: torch.Tensor = vae.decode(inputs[_LATENTS], return_dict=False)[0]
            return pixels

        self._device = device
        self._is_unet = isinstance(denoiser, UNet2DConditionModel)
        self._is_in_float8 = is_in_float8(denoiser)
        network = OpenVinoNetwork(denoiser, run_denoiser, device, device.max_concurrent_batches)
        self._denoisers = {
            Backend.OPENVINO: network,
            Backend.OPENVINO_BF16: network.in_bfloat16(),
        }
        self.decoder = OpenVinoNetwork(vae, run_decoder, device, device.max_concurrent_batches)

    def fingerprint(self, backend: Backend) -> str:
        """Its part of the fingerprint of pictures."""
        precision = " bfloat16" if backend is Backend.OPENVINO_BF16 else ""
        return f"openvino {version()} graph {VERSION}{precision}"

    def predict(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        backend: Backend = Backend.OPENVINO,
    ) -> torch.Tensor:
        """The denoiser's output for all rows."""
        return self._denoisers[backend](_inputs(latents, timesteps, conditioning))

    def compile_for_all_cores(
        self, shape: tuple[int, ...], conditioning: Conditioning, rows: int, backend: Backend
    ) -> None:
        """Compile what passes of `rows` rows use that have all cores (`all_cores`).

        `shape` is that of an image's latents, (1, channels, height, width); `conditioning` has one
        row.
        """
        self._denoisers[backend].compile_for_all_cores(_zeros(shape, conditioning, rows))

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """The decoder's output; row by row, because it gains nothing from several rows."""
        return torch.cat([self.decoder({_LATENTS: row}) for row in latents.split(1)])

    def proved(
        self,
        card: ModelCard,
        latent_shape: Callable[[int, int], tuple[int, int, int, int]],
        encode_prompt: Callable[[Recipe], Conditioning],
    ) -> ModelCard:
        """The card with the device's backends, if OpenVINO gives torch's results up to rounding.

        The transformers of other families were not tried, nor weights in 8 bits.
        """
        device = self._device
        if Backend.OPENVINO not in device.backends or device.dtype != torch.float32:
            return card
        if self._is_in_float8:
            return card
        if Backend.OPENVINO_BF16 in device.backends and not has_bfloat16():
            log.warning("this CPU has no instructions for bfloat16; float32 is used")
        side = card.native_size
        conditioning = encode_prompt(dummy_recipe(card, side, side))
        exact = self._prove(torch.zeros(latent_shape(side, side)), conditioning)
        if Backend.OPENVINO not in exact:
            log.warning("the model %s is run by torch; OpenVINO cannot run it", card.name)
            return card
        if Backend.OPENVINO_BF16 in set(self._usable()) - exact:
            log.warning(
                "the model %s is run in float32; OpenVINO cannot run it in bfloat16 with "
                "torch's results, or memory is short",
                card.name,
            )
        backends = tuple(
            backend for backend in device.backends if backend in {Backend.TORCH, *exact}
        )
        return msgspec.structs.replace(card, backends=backends)

    def _prove(self, latents: torch.Tensor, conditioning: Conditioning) -> set[Backend]:
        """The backends that give torch's results, up to rounding, and for which there is memory.

        `latents` and `conditioning` have one row; large latents are tried smaller.
        """
        rows, sides = ROW_CLASSES[0], [min(side, PROOF_SIDE) for side in latents.shape[2:]]
        batch = _zeros((1, latents.shape[1], *sides), conditioning, rows)
        exact: set[Backend] = set()
        if self._is_unet and self.decoder.prove({_LATENTS: batch[_LATENTS][:1]}):
            exact = {name for name in self._usable() if self._denoisers[name].prove(batch)}
        if sides != list(latents.shape[2:]):
            self.clear()
        return exact

    def _usable(self) -> list[Backend]:
        """The device's backends that this CPU has instructions for, float32 first."""
        usable = [backend for backend in self._denoisers if backend in self._device.backends]
        return usable if has_bfloat16() else usable[:1]

    def clear(self) -> None:
        """Drop the compiled networks; none may be in use."""
        for network in (*self._denoisers.values(), self.decoder):
            network.clear()


def _inputs(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning) -> Inputs:
    return {_LATENTS: latents, _TIMESTEPS: timesteps, **conditioning}


def _zeros(shape: tuple[int, ...], conditioning: Conditioning, rows: int) -> Inputs:
    """The inputs of a batch of `rows` rows without noise, all with the first conditioning."""
    latents = torch.zeros(rows, *shape[1:])
    return _inputs(latents, torch.zeros(rows), expanded(conditioning, rows))
