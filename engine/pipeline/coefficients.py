"""The scalars of the denoising loop: those of all evaluations of an image, as one small tensor."""

from collections.abc import Iterator
from typing import Final

import torch

from engine.pipeline.timeline import Timeline

TIMESTEP, INPUT_SCALE, GUIDANCE, IMAGE_GUIDANCE, X0_FROM_SAMPLE, X0_FROM_OUTPUT = range(6)
"""Indices of the scalars of an evaluation. The guidance is 1 without classifier-free guidance; that
for an image is used in edits alone."""
WEIGHTS: Final = 6
"""Index of the first of the step's `weights`."""


def coefficients_of(timeline: Timeline) -> torch.Tensor:
    """The scalars of each evaluation, (evaluations, scalars, 1, 1, 1), float32, on the host."""
    return torch.tensor(list(_rows(timeline)), dtype=torch.float32)[:, :, None, None, None]


def _rows(timeline: Timeline) -> Iterator[tuple[float, ...]]:
    phase = timeline.phase
    for index, step in enumerate(timeline.steps):
        if index in timeline.transitions:
            phase = timeline.transitions[index].phase
        guidance = phase.guidance if phase.uses_cfg else 1.0
        image_guidance = phase.image_guidance or 0.0
        scalars = step.timestep, step.input_scale, guidance, image_guidance
        yield *scalars, *step.x0, *step.weights
