"""What a forward pass takes in each row class, and so which classes are worth having."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch

from engine.contract import ROW_CLASSES
from engine.device.errors import is_out_of_memory
from engine.models.base import PaintModel, Words

MERGED: Final = 0.15
"""A class that takes less than so much more than the one below it makes that one needless."""
_SIDES: Final = (0.5, 1.0, 1.5, 2.0)
"""Of the pictures, beside the model's own."""
_STEP: Final = 64
_WARM_UP: Final = 3
_REPEATED: Final = 15


@dataclass(frozen=True)
class Tick:
    """A batch of so many rows of one size."""

    side: int
    """Pixels of the square picture."""
    rows: int
    seconds: float
    """Median of several."""
    more: float | None
    """Than the next smaller class, as a share of it."""


HEAD: Final = "side  rows  ms        more than the class below\n"


def line(tick: Tick) -> str:
    """One line of the table."""
    more = "" if tick.more is None else f"{tick.more:+.0%}"
    needless = ", which is needless" if tick.more is not None and tick.more < MERGED else ""
    return f"{tick.side:<6}{tick.rows:<6}{tick.seconds * 1000:<10.1f}{more}{needless}\n"


@torch.inference_mode()
def run(model: PaintModel) -> Iterator[Tick]:
    """Measure, class by class; larger ones than there is memory for are left out."""
    sides = {max(_STEP, round(model.card.native_size * share / _STEP) * _STEP) for share in _SIDES}
    for side in sorted(each for each in sides if each**2 <= model.card.max_pixels):
        below: float | None = None
        for rows in ROW_CLASSES:
            seconds = _seconds(model, side, rows)
            if seconds is None:
                break
            yield Tick(side, rows, seconds, None if below is None else seconds / below - 1)
            below = seconds


def _seconds(model: PaintModel, side: int, rows: int) -> float | None:
    device = model.device
    shape = model.latent_shape(side, side)
    latents = torch.zeros(rows, *shape[1:], device=device.torch_device, dtype=device.dtype)
    timesteps = torch.full((rows,), 500.0, device=device.torch_device)
    words: Words = {
        name: told[:1].expand(rows, *told.shape[1:]).contiguous()
        for name, told in model.words(model.example(side, side)).items()
    }
    took = []
    try:
        for _ in range(_WARM_UP + _REPEATED):
            began = time.monotonic()
            model.predict(latents, timesteps, words).cpu()  # waits for the device
            took.append(time.monotonic() - began)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return None
    return statistics.median(took[_WARM_UP:])
