"""Measure the forward pass of each row class, to choose the row classes of a model."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from engine.bench.backends import default_key
from engine.contract import ROW_CLASSES
from engine.core.batch_timing import batch_seconds
from engine.models.base import DiffusionModel

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


def run(model: DiffusionModel) -> Iterator[Tick]:
    """Measure each size in each row class that fits in memory."""
    sides = {
        max(_SIDE_MULTIPLE, round(model.card.native_size * share / _SIDE_MULTIPLE) * _SIDE_MULTIPLE)
        for share in _SIDES
    }
    for side in sorted(side for side in sides if side**2 <= model.card.max_pixels):
        seconds = batch_seconds(
            model,
            default_key(model, side, side),
            ROW_CLASSES,
            warmup_passes=_WARMUP_PASSES,
            passes=_MEASURED_PASSES,
        )
        smaller: float | None = None
        for rows, times in seconds.items():
            median = statistics.median(times)
            yield Tick(side, rows, median, None if smaller is None else median / smaller - 1)
            smaller = median
