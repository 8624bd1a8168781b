"""Measure the forward pass of each row class, to choose the row classes of a model."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch

from engine.contract import ROW_CLASSES
from engine.device.errors import is_out_of_memory
from engine.models.base import Conditioning, DiffusionModel, dummy_recipe

MIN_INCREASE: Final = 0.15
"""A row class that takes less than this share longer than the next smaller class makes that class
useless."""
_SIDES: Final = (0.5, 1.0, 1.5, 2.0)
"""Sides of the measured pictures, relative to the native size."""
_SIDE_MULTIPLE: Final = 64
_WARMUP_PASSES: Final = 3
_MEASURED_PASSES: Final = 15


@dataclass(frozen=True)
class Tick:
    """The measurement of one batch shape."""

    side: int
    """Of the square pictures, in pixels."""
    rows: int
    seconds: float
    """Median."""
    relative_increase: float | None
    """Over the next smaller class; None for the smallest."""


HEAD: Final = "side  rows  ms        increase over the next smaller class\n"


def line(tick: Tick) -> str:
    """One line of the table."""
    increase = tick.relative_increase
    text = "" if increase is None else f"{increase:+.0%}"
    if increase is not None and increase < MIN_INCREASE:
        text += ", so the smaller class is useless"
    return f"{tick.side:<6}{tick.rows:<6}{tick.seconds * 1000:<10.1f}{text}\n"


@torch.inference_mode()
def run(model: DiffusionModel) -> Iterator[Tick]:
    """Measure each size in each row class that fits in memory."""
    sides = {
        max(_SIDE_MULTIPLE, round(model.card.native_size * share / _SIDE_MULTIPLE) * _SIDE_MULTIPLE)
        for share in _SIDES
    }
    for side in sorted(side for side in sides if side**2 <= model.card.max_pixels):
        smaller: float | None = None
        for rows in ROW_CLASSES:
            seconds = _seconds(model, side, rows)
            if seconds is None:
                break
            yield Tick(side, rows, seconds, None if smaller is None else seconds / smaller - 1)
            smaller = seconds


def _seconds(model: DiffusionModel, side: int, rows: int) -> float | None:
    device = model.device
    shape = model.latent_shape(side, side)
    latents = torch.zeros(rows, *shape[1:], device=device.torch_device, dtype=device.dtype)
    timesteps = torch.full((rows,), 500.0, device=device.torch_device)
    conditioning: Conditioning = {
        name: tensor[:1].expand(rows, *tensor.shape[1:]).contiguous()
        for name, tensor in model.encode_prompt(dummy_recipe(model.card, side, side)).items()
    }
    times = []
    try:
        for _ in range(_WARMUP_PASSES + _MEASURED_PASSES):
            start = time.monotonic()
            model.predict(
                latents, timesteps, conditioning, model.card.backend
            ).cpu()  # waits for the device
            times.append(time.monotonic() - start)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return None
    return statistics.median(times[_WARMUP_PASSES:])
