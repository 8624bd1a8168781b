"""A UNet whose images may be steered, each in its own way."""

from collections.abc import Mapping, Sequence

import torch
from PIL import Image

from engine.contract import Recipe
from engine.device import Device
from engine.steering.active import steered_pass
from engine.steering.adapter_store import AdapterStore
from engine.steering.controls import ControlledRows, control_inputs
from engine.steering.ip_adapter import IpAdapter
from engine.steering.offered_controls import OfferedControls
from engine.steering.rows import SteeredRows, Steering


class SteeredUnet:
    """Runs the forward pass of a UNet in a batch some of whose images are steered."""

    def __init__(self, unet: torch.nn.Module, device: Device, adapters: AdapterStore) -> None:
        self._unet = unet
        self._adapters = adapters
        self._device = device
        self.ip_adapter: IpAdapter | None = None
        """What reads reference images."""
        self.controls = OfferedControls(device)

    def steering_for(self, recipe: Recipe, images: Mapping[str, Image.Image]) -> Steering:
        """What steers an image of this recipe, made of its input images, by their digests."""
        adapters = self._adapters.images(recipe.adapters)
        references = None
        if recipe.references and self.ip_adapter is not None:
            references = self.ip_adapter.references_for(recipe, images)
        controls = self.controls.for_image(recipe, images)
        return Steering(adapters=adapters, controls=controls, references=references)

    def clear(self) -> None:
        """Drop all that is cached on the device."""
        self.controls.clear()
        if self.ip_adapter is not None:
            self.ip_adapter.clear()

    def __call__(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Mapping[str, torch.Tensor],
        steered: Sequence[SteeredRows],
    ) -> torch.Tensor:
        """The UNet's output for all rows."""
        controlled = [
            ControlledRows(image.rows, image.steering.controls, image.evaluation, image.evaluations)
            for image in steered
            if image.steering.controls is not None
        ]
        added = control_inputs(latents, timesteps, conditioning, controlled)
        with steered_pass(steered):
            output: torch.Tensor = self._unet(
                latents, timesteps, **conditioning, **added, return_dict=False
            )[0]
        return output
