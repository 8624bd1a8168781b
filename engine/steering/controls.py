"""The ControlNets and T2I-Adapters of one image, and what they add in a batch.

What controls one image is computed for its rows alone. In the rows of other images -0.0 is added,
which changes no bit of a number, not even the sign of a zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from engine.steering.control_networks import Condition, ControlNet

_UNCHANGED = -0.0
"""The sum of this and any number is that number."""


class ActingSteps(NamedTuple):
    """The part of an image's evaluations in which a control acts."""

    start: float
    end: float

    def has(self, evaluation: int, evaluations: int) -> bool:
        """As diffusers' pipelines compute `controlnet_keep`."""
        return not (
            evaluation / evaluations < self.start or (evaluation + 1) / evaluations > self.end
        )


@dataclass(frozen=True)
class NetworkControls:
    """The controls of one image that one ControlNet computes at the same time."""

    network: ControlNet
    conditions: tuple[Condition, ...]
    steps: tuple[ActingSteps, ...]
    """Of each condition."""

    def conditions_at(self, evaluation: int, evaluations: int) -> list[Condition]:
        """The conditions with their scales in an evaluation, empty if the network has no effect.

        As in diffusers, a ControlNet-Union with several conditions has an effect even if none of
        them acts.
        """
        acting = [steps.has(evaluation, evaluations) for steps in self.steps]
        if len(acting) == 1 and not acting[0]:
            return []
        return [
            condition if is_acting else condition._replace(scale=0.0)
            for condition, is_acting in zip(self.conditions, acting, strict=True)
        ]


@dataclass(frozen=True)
class Features:
    """The features of a T2I-Adapter, times the scale."""

    tensors: tuple[torch.Tensor, ...]
    steps: ActingSteps


@dataclass(frozen=True)
class ImageControls:
    """The ControlNets and T2I-Adapters of one image."""

    networks: tuple[NetworkControls, ...] = ()
    features: tuple[Features, ...] = ()

    def residuals(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        inputs: Mapping[str, Any],
        evaluation: int,
        evaluations: int,
    ) -> list[torch.Tensor]:
        """What its ControlNets add in its rows: down blocks and mid block; empty for nothing."""
        totals: list[torch.Tensor] = []
        for controls in self.networks:
            conditions = controls.conditions_at(evaluation, evaluations)
            if conditions:
                down, mid = controls.network.residuals(latents, timesteps, inputs, conditions)
                totals = _sums(totals, [*down, mid])
        return totals

    def features_at(self, evaluation: int, evaluations: int) -> list[torch.Tensor]:
        """What its T2I-Adapters add, (1, channels, rows, columns) each; empty for nothing."""
        totals: list[torch.Tensor] = []
        for features in self.features:
            if features.steps.has(evaluation, evaluations):
                totals = _sums(totals, features.tensors)
        return totals


class ControlledRows(NamedTuple):
    """The rows of an image with controls in a batch."""

    rows: slice
    controls: ImageControls
    evaluation: int
    evaluations: int


def control_inputs(
    latents: torch.Tensor,
    timesteps: torch.Tensor,
    inputs: Mapping[str, Any],
    controlled: Sequence[ControlledRows],
) -> dict[str, Any]:
    """The arguments of a UNet's forward pass with what the controls of images add in their rows.

    `inputs` are the other arguments besides latents and timesteps.
    """
    residuals: list[tuple[slice, list[torch.Tensor]]] = []
    features: list[tuple[slice, list[torch.Tensor]]] = []
    for image in controlled:
        rows, at = image.rows, (image.evaluation, image.evaluations)
        # A copy has the same alignment in memory whatever the rows are.
        own = latents[rows].clone(), timesteps[rows].clone(), _own_inputs(inputs, rows)
        residuals.append((rows, image.controls.residuals(*own, *at)))
        features.append((rows, image.controls.features_at(*at)))
    arguments: dict[str, Any] = {}
    if whole := _in_batch(residuals, latents):
        *down, mid = whole
        arguments["down_block_additional_residuals"] = tuple(down)
        arguments["mid_block_additional_residual"] = mid
    if whole := _in_batch(features, latents):
        arguments["down_intrablock_additional_residuals"] = whole
    return arguments


def _own_inputs(inputs: Mapping[str, Any], rows: slice) -> dict[str, Any]:
    """Those of these rows."""
    own: dict[str, Any] = {}
    for name, value in inputs.items():
        if isinstance(value, torch.Tensor):
            own[name] = value[rows].clone()
        elif isinstance(value, Mapping):
            own[name] = _own_inputs(value, rows)
    return own


def _sums(totals: list[torch.Tensor], added: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    if not totals:
        return list(added)
    return [total + tensor for total, tensor in zip(totals, added, strict=True)]


def _in_batch(
    parts: Sequence[tuple[slice, list[torch.Tensor]]], latents: torch.Tensor
) -> list[torch.Tensor]:
    """For each hidden state, the tensor that is added in all rows of the batch."""
    is_cuda = latents.device.type == "cuda"
    layout = torch.channels_last if is_cuda else torch.contiguous_format
    whole: list[torch.Tensor] = []
    for rows, tensors in parts:
        for tensor in tensors[len(whole) :]:
            shape = (len(latents), *tensor.shape[1:])
            empty = torch.empty(
                shape, dtype=tensor.dtype, device=tensor.device, memory_format=layout
            )
            whole.append(empty.fill_(_UNCHANGED))
        for total, tensor in zip(whole, tensors, strict=False):
            total[rows] = tensor
    return whole
