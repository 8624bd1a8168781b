"""The base class of the model families with a UNet, whose pictures can be steered."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import torch
from PIL import Image

from engine.contract import Adapter, Recipe
from engine.models.base import IMAGE_CHANNELS, Conditioning
from engine.models.control_offer import offered_controls
from engine.models.ip_adapters import load_ip_adapter
from engine.models.latent_diffusion import PROMPT_CACHE_SIZE, LatentDiffusion
from engine.models.prompt_tokens import Prompt
from engine.models.shared_weights import SharedWeights
from engine.steering.active import steered_pass
from engine.steering.adapter_store import AdapterStore
from engine.steering.control_networks import ControlNetwork
from engine.steering.offered_controls import OfferedControls
from engine.steering.rows import SteeredRows, Steering
from engine.steering.unet import SteeredUnet
from engine.weights.controls import ControlFiles
from engine.weights.loras import Loras
from engine.weights.model_files import ModelFiles


class UnetDiffusion(LatentDiffusion):
    """A DiffusionModel whose denoiser is a UNet of diffusers."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as the base class
        super().__init__(*args, **options)
        components = {name: getattr(self.pipeline, name) for name in ("unet", *self.text_encoders)}
        self._adapters = AdapterStore(components, self.device)
        self._steered_unet = SteeredUnet(self._denoiser, self.device, self._adapters)
        self._prompt_cache = lru_cache(PROMPT_CACHE_SIZE)(self._encode_adapted_text)
        self._shared: list[SharedWeights] = []
        """The weights of its controls and of its IP-Adapter."""

    def add_ip_adapter(self, files: ModelFiles) -> None:
        """Add what reads reference images: the fitting IP-Adapter of IMAGINE_IP_ADAPTER, or the
        starter's own. Raises EngineError if one cannot be used."""
        loaded = load_ip_adapter(files, self._denoiser, self.family, self.device)
        if loaded is not None:
            self._share(loaded.weights)
            self._steered_unet.ip_adapter = loaded.adapter
            self.card = msgspec.structs.replace(self.card, image_adapter=loaded.card)

    def _share(self, weights: Sequence[SharedWeights]) -> None:
        """Use these weights, and have them on the device."""
        for item in weights:
            item.to_device(self)
        self._shared += weights

    def add_controls(self, files: Sequence[ControlFiles]) -> None:
        """Load and offer the controls that fit, the first of each kind; before the first picture.

        Raises ModelCorrupt if one of them is damaged.
        """
        offered = offered_controls(self.card.name, files, self.pipeline, self.device)
        self._share([control for _, control in offered])
        controls = [item for item, _ in offered]
        self._steered_unet.controls = OfferedControls(self.device, controls)
        cards = tuple(control.card for control in controls)
        self.card = msgspec.structs.replace(self.card, controls=cards)

    @property
    def control_networks(self) -> tuple[ControlNetwork, ...]:
        """Those of its controls."""
        return self._steered_unet.controls.networks

    def offer_adapters(self, loras: Loras) -> None:
        """Offer those that fit from now on; a warning is logged for others. Pictures in progress
        keep theirs."""
        offered = self._adapters.offer(loras, self.card.name)
        self.card = msgspec.structs.replace(
            self.card, adapters=offered.cards, refused_adapters=dict(offered.refused)
        )

    def text_adapters(self, recipe: Recipe) -> tuple[Adapter, ...]:
        """Those of the recipe that change the text encoders."""
        return self._adapters.of_text_encoders(recipe.adapters)

    def _encode_adapted_text(self, prompt: Prompt) -> Any:  # noqa: ANN401 - as `_encode_text`
        if not prompt.adapters:
            return self._encode_text(prompt)
        steering = Steering(adapters=self._adapters.images(prompt.adapters))
        with steered_pass([SteeredRows(slice(None), steering, evaluation=0, evaluations=1)]):
            return self._encode_text(prompt)

    @property
    def memory_bytes(self) -> int:
        """As the base class, with the weights of its controls, IP-Adapter and LoRAs."""
        shared = sum(weights.bytes for weights in set(self._shared))
        return super().memory_bytes + shared + self._adapters.bytes

    def to_host(self) -> None:
        """As the base class; also drop what was made of reference images, and move its LoRAs, and
        what no other model has on the device of its controls and its IP-Adapter."""
        self._steered_unet.clear()
        super().to_host()
        self._adapters.to_host()
        for weights in self._shared:
            weights.to_host(self)

    def to_device(self) -> None:
        """As the base class, with its controls, IP-Adapter and LoRAs."""
        super().to_device()
        self._adapters.to_device()
        for weights in self._shared:
            weights.to_device(self)

    @property
    def image_channels(self) -> int:
        """The channels of the UNet's input that are not those of the latents."""
        config = self._denoiser.config
        return int(config.in_channels - config.out_channels)

    def image_channels_for(self, recipe: Recipe) -> Conditioning:
        """A placeholder for the image in the conditioning of the recipe's rows; nothing for a UNet
        without such an input."""
        if not self.image_channels:
            return {}
        _, _, height, width = self.latent_shape(*recipe.size)
        shape = recipe.rows, self.image_channels, height, width
        device = self.device
        return {IMAGE_CHANNELS: torch.ones(shape, device=device.torch_device, dtype=device.dtype)}

    @abstractmethod
    def unet_inputs(self, conditioning: Conditioning) -> dict[str, Any]:
        """The conditioning as arguments of the UNet, without the channels of an image."""

    def forward(
        self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning
    ) -> torch.Tensor:
        """The UNet's forward pass, without a captured graph."""
        inputs = self.unet_inputs(conditioning)
        sample = _with_image(latents, conditioning)
        output: torch.Tensor = self._denoiser(sample, timesteps, **inputs, return_dict=False)[0]
        return output

    def predict_steered(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        steered: Sequence[SteeredRows],
    ) -> torch.Tensor:
        """The model output for a batch some of whose images are steered."""
        sample = _with_image(latents, conditioning)
        return self._steered_unet(sample, timesteps, self.unet_inputs(conditioning), steered)

    def steering_for(self, recipe: Recipe, images: Mapping[str, Image.Image]) -> Steering:
        """What steers an image of this recipe, made of its input images, by their digests."""
        return self._steered_unet.steering_for(recipe, images)


def _with_image(latents: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
    """The latents of all rows, followed by the channels of their images."""
    image = conditioning.get(IMAGE_CHANNELS)
    return latents if image is None else torch.cat([latents, image], dim=1)
