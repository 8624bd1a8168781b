"""Measure the forward pass of each row class, to choose the row classes of a model.

On a CPU, passes and matrix products take turns, with the same number of threads, and the median of
the passes is compared with the median of the products: what else runs on the machine then changes
both, and not only one side of the comparison.
"""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch.utils.flop_counter import FlopCounterMode

from engine.contract import ROW_CLASSES
from engine.core.batch_timing import batch_inputs, batch_seconds
from engine.core.batching import BatchKey
from engine.core.flexible_batches import default_group
from engine.models.base import DiffusionModel

MIN_INCREASE: Final = 0.15
"""A row class that takes less than this share longer than the next smaller class makes that class
useless."""
_SIDES: Final = (0.5, 1.0, 1.5, 2.0)
"""Sides of the measured pictures, relative to the native size."""
_SIDE_MULTIPLE: Final = 64
_WARMUP_PASSES: Final = 3
_MEASURED_PASSES: Final = 15
_MATRIX_SIDES: Final = (512, 1024, 2048)


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
    limit_share: float | None = None
    """The operations per second, as a share of those of matrix products in float32 with as many
    threads, of the size that has most; None on other devices than a CPU."""


HEAD: Final = "side  rows  ms        of limit  increase over the next smaller class\n"


def line(tick: Tick) -> str:
    """One line of the table."""
    increase = tick.relative_increase
    text = "" if increase is None else f"{increase:+.0%}"
    if increase is not None and increase < MIN_INCREASE:
        text += ", so the smaller class is useless"
    share = "" if tick.limit_share is None else f"{tick.limit_share:.0%}"
    return f"{tick.side:<6}{tick.rows:<6}{tick.seconds * 1000:<10.1f}{share:<10}{text}\n"


def run(model: DiffusionModel) -> Iterator[Tick]:
    """Measure each size in each row class that fits in memory."""
    sides = {
        max(_SIDE_MULTIPLE, round(model.card.native_size * share / _SIDE_MULTIPLE) * _SIDE_MULTIPLE)
        for share in _SIDES
    }
    for side in sorted(side for side in sides if side**2 <= model.card.max_pixels):
        key = default_group(model, side, side)
        seconds, limit = _measure_in_turn(model, key)
        smaller: float | None = None
        for rows, times in seconds.items():
            median = statistics.median(times)
            increase = None if smaller is None else median / smaller - 1
            share = None if limit is None else _operations(model, key, rows) / median / limit
            yield Tick(side, rows, median, increase, share)
            smaller = median


def _measure_in_turn(
    model: DiffusionModel, key: BatchKey
) -> tuple[dict[int, list[float]], float | None]:
    """By row class, the seconds of forward passes of the classes that fit in memory; and the
    operations per second of matrix products, None on other devices than a CPU."""
    products = MatrixProducts() if model.device.torch_device.type == "cpu" else None
    warm = batch_seconds(model, key, ROW_CLASSES, warmup_passes=_WARMUP_PASSES, passes=0)
    seconds: dict[int, list[float]] = {rows: [] for rows in warm}
    for _ in range(_MEASURED_PASSES):
        for rows, times in batch_seconds(model, key, warm, warmup_passes=0, passes=1).items():
            seconds[rows] += times
        if products is not None:
            products.measure()
    return seconds, None if products is None else products.operations_per_second()


def _operations(model: DiffusionModel, key: BatchKey, rows: int) -> int:
    """Additions and multiplications of a forward pass, as torch counts them."""
    inputs = batch_inputs(model, key, rows)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.predict(*inputs)
    operations: int = counter.get_total_flops()
    return operations


class MatrixProducts:
    """Times products of square matrices in float32, with torch's number of threads, which is that
    of the model's forward pass (`Device.for_model`)."""

    def __init__(self) -> None:
        self.seconds: dict[int, list[float]] = {side: [] for side in _MATRIX_SIDES}
        """By the matrices' side."""
        self._matrices = {side: torch.rand(side, side) for side in _MATRIX_SIDES}
        self._products = {side: torch.empty(side, side) for side in _MATRIX_SIDES}

    def measure(self) -> None:
        """Compute and time one product of each size."""
        for side, matrix in self._matrices.items():
            start = time.monotonic()
            torch.mm(matrix, matrix, out=self._products[side])
            self.seconds[side].append(time.monotonic() - start)

    def operations_per_second(self) -> float:
        """Additions and multiplications: the median of the size that has most."""
        return max(2 * side**3 / statistics.median(times) for side, times in self.seconds.items())
