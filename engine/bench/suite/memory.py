"""Measure the memory of a model: its weights, and the peaks of pictures in each row class."""

import resource
import sys
from collections.abc import Iterator
from typing import Any, Final

from engine.bench.suite.painting import job, paint, recipe
from engine.bench.suite.report import Check
from engine.models.base import DiffusionModel

_STEPS: Final = 2
_KIB: Final = 1024


def measure_memory(model: DiffusionModel) -> Iterator[Check]:
    """The weights, and the peak above them while a picture of each size and row class is painted.

    On a CPU the peak is that of the whole process so far.
    """
    yield Check(subject="estimate for weights and batches", values={"bytes": model.memory_bytes})
    side = model.card.native_size
    for width, height in ((side, side), (side * 3 // 2 // 8 * 8, side)):
        for rows in sorted(model.card.row_classes(width, height)):
            target = recipe(model, steps=_STEPS, width=width, height=height, row_class=rows)
            model.is_batch_invariant(
                width, height, rows, backend=model.card.backend
            )  # measures a peak of its own
            peaks: list[int] = []
            with model.device.measure_peak(peaks.append):
                paint([model], [job(target)])
            yield Check(subject=f"{width} x {height}, {rows} rows", values=_values(peaks))


def _values(peaks: list[int]) -> dict[str, Any]:
    if peaks:
        return {"peak bytes": peaks[0]}
    unit = 1 if sys.platform == "darwin" else _KIB
    return {"peak bytes of the process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
