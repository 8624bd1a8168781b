"""Networks that read control images: ControlNets and T2I-Adapters, as diffusers has them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import ControlNetModel, ControlNetUnionModel, T2IAdapter
from PIL import Image

from engine.device import Device


class Residuals(NamedTuple):
    """What is added to hidden states of a UNet, (rows, channels, rows, columns) each."""

    down: tuple[torch.Tensor, ...]
    """diffusers: `down_block_additional_residuals`."""
    mid: torch.Tensor
    """diffusers: `mid_block_additional_residual`."""


class Condition(NamedTuple):
    """What a ControlNet reads of one control image."""

    embedding: torch.Tensor
    """(1, channels, height / 8, width / 8)."""
    type_index: int
    """The control type for a ControlNet-Union; 0 for others."""
    scale: float


class ControlNet(ABC):
    """A ControlNet (Zhang et al. 2023, https://arxiv.org/abs/2302.05543).

    The part of it that reads control images runs once for each image, not in each forward pass.
    """

    def __init__(self, network: ControlNetModel | ControlNetUnionModel) -> None:
        self.network = network
        self._embed = network.controlnet_cond_embedding
        network.controlnet_cond_embedding = torch.nn.Identity()
        self._is_bgr = network.config.controlnet_conditioning_channel_order == "bgr"
        network.register_to_config(controlnet_conditioning_channel_order="rgb")
        self.parts: tuple[torch.nn.Module, ...] = (network, self._embed)
        """All its networks."""

    def embedding(self, image: torch.Tensor) -> torch.Tensor:
        """(1, channels, height / 8, width / 8) of a control image (1, 3, height, width)."""
        embedding: torch.Tensor = self._embed(image.flip(1) if self._is_bgr else image)
        return embedding

    @abstractmethod
    def residuals(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        inputs: Mapping[str, Any],
        conditions: Sequence[Condition],
    ) -> Residuals:
        """What the control images add in the rows of one image. `inputs` are those of the UNet
        besides latents and timesteps."""

    def _call(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        inputs: Mapping[str, Any],
        **options: Any,  # noqa: ANN401 - as the networks need them
    ) -> Residuals:
        added = inputs.get("added_cond_kwargs")
        down, mid = self.network(
            latents[:, : self.network.config.in_channels],  # without those of masks and images
            timesteps,
            encoder_hidden_states=inputs["encoder_hidden_states"],
            added_cond_kwargs=added,
            return_dict=False,
            **options,
        )
        return Residuals(tuple(down), mid)


class SingleControlNet(ControlNet):
    """A ControlNet for one kind of control images."""

    def residuals(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        inputs: Mapping[str, Any],
        conditions: Sequence[Condition],
    ) -> Residuals:
        """What its only control image adds."""
        [condition] = conditions
        return self._call(
            latents,
            timesteps,
            inputs,
            controlnet_cond=condition.embedding,
            conditioning_scale=condition.scale,
        )


class UnionControlNet(ControlNet):
    """A ControlNet for several kinds of control images, also at the same time."""

    def residuals(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        inputs: Mapping[str, Any],
        conditions: Sequence[Condition],
    ) -> Residuals:
        """What the control images add together."""
        rows, indices = len(latents), [condition.type_index for condition in conditions]
        types = torch.zeros(self.network.config.num_control_type, device=latents.device)
        types[indices] = 1
        return self._call(
            latents,
            timesteps,
            inputs,
            controlnet_cond=[
                condition.embedding.expand(rows, -1, -1, -1) for condition in conditions
            ],
            control_type=types.to(latents.dtype).expand(rows, -1),
            control_type_idx=indices,
            conditioning_scale=[condition.scale for condition in conditions],
        )


class FeatureAdapter:
    """A T2I-Adapter (Mou et al. 2023, https://arxiv.org/abs/2302.08453), which runs once for each
    control image."""

    def __init__(self, network: T2IAdapter) -> None:
        self.network = network
        self.parts: tuple[torch.nn.Module, ...] = (network,)

    @property
    def is_grey(self) -> bool:
        """Whether it reads control images without colours."""
        channels: int = self.network.config.in_channels
        return channels == 1

    @property
    def size_multiple(self) -> int:
        """Widths and heights of control images are multiples of this number of pixels."""
        multiple: int = self.network.downscale_factor
        return multiple

    def features(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What is added to hidden states of the UNet for a control image (1, channels, height,
        width); diffusers: `down_intrablock_additional_residuals`."""
        return tuple(self.network(image))


ControlNetwork = ControlNet | FeatureAdapter


def image_tensor(image: Image.Image, device: Device) -> torch.Tensor:
    """A control image as a network reads it: (1, channels, height, width), from 0 to 1."""
    pixels = np.asarray(image, dtype=np.float32) / 255
    tensor = torch.from_numpy(pixels.reshape(1, image.height, image.width, -1))
    return device.to_device(tensor.permute(0, 3, 1, 2).contiguous()).to(device.dtype)
