"""Measure a 4 x 4 matrix beside sixteen plain pictures in four jobs."""

import queue
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from engine.bench.backends import exit_bench
from engine.bench.workloads import uniform
from engine.contract import (
    Capture,
    Completed,
    Ending,
    Event,
    ImageDone,
    ModelCard,
    Paint,
    Recipe,
    Sampler,
    Work,
)
from engine.core.worker import Worker, start_worker
from engine.errors import EngineError
from engine.models.base import DiffusionModel

JOBS: Final = 4
GUIDANCE: Final = (3.0, 5.0, 7.5, 10.0)
SAMPLERS: Final = (Sampler.EULER, Sampler.DDIM, Sampler.DPMPP_2M, Sampler.UNIPC)
"""The axes: all cells have the same number of evaluations as the plain pictures."""
_ROUNDS: Final = 7


@dataclass(frozen=True)
class MatrixTimes:
    """Medians of some rounds; in each, the plain pictures are painted and then the matrix."""

    side: int
    plain_seconds: float
    """Sixteen pictures in four jobs, at the same time."""
    matrix_seconds: float
    """Sixteen cells in one job."""
    ratio: float
    """The median of the rounds' ratios `matrix / plain`."""
    is_equal: bool
    """Whether each cell has the same pixels when painted alone."""


HEAD: Final = "side  16 plain pictures, s  4 x 4 matrix, s  ratio  equal\n"


def line(times: MatrixTimes) -> str:
    """One line of the table."""
    return (
        f"{times.side:<6}{times.plain_seconds:<22.3f}{times.matrix_seconds:<17.3f}"
        f"{times.ratio:<7.2f}{'yes' if times.is_equal else 'NO'}\n"
    )


def run(model: DiffusionModel) -> Iterator[MatrixTimes]:
    """Measure pictures of the native size. Raises EngineError if one is not painted."""
    plain = [uniform(model.card, JOBS, nth).paint for nth in range(JOBS)]
    matrix = [Paint(job="matrix", attempt=1, recipes=cells(model.card), capture=NO_PREVIEWS)]
    worker = start_worker([model], exit_bench)
    try:
        paint(worker, plain)  # warms up
        paint(worker, matrix)
        rounds = [(paint(worker, plain), paint(worker, matrix)) for _ in range(_ROUNDS)]
        alone = [digest for cell in matrix[0].recipes for digest in _alone(worker, cell)]
    finally:
        worker.close()
    yield MatrixTimes(
        side=model.card.native_size,
        plain_seconds=statistics.median(plain.seconds for plain, _ in rounds),
        matrix_seconds=statistics.median(matrix.seconds for _, matrix in rounds),
        ratio=statistics.median(matrix.seconds / plain.seconds for plain, matrix in rounds),
        is_equal=all(matrix.digests == alone for _, matrix in rounds),
    )


NO_PREVIEWS: Final = Capture(previews=False)


def cells(card: ModelCard) -> tuple[Recipe, ...]:
    """The recipes of the matrix, row by row."""
    return card.with_row_class(
        [
            msgspec.structs.replace(plain, guidance=guidance, sampler=sampler)
            for plain in uniform(card, 1, 0).paint.recipes
            if isinstance(plain, Recipe)
            for guidance in GUIDANCE
            for sampler in SAMPLERS
        ]
    )


@dataclass(frozen=True)
class TimedJobs:
    """Jobs that were painted at the same time."""

    seconds: float
    digests: list[str]
    """Of the pictures of the first job, in the order of its recipes."""


def _alone(worker: Worker, recipe: Work) -> list[str]:
    job = Paint(job="alone", attempt=1, recipes=(recipe,), capture=NO_PREVIEWS)
    return paint(worker, [job]).digests


def paint(worker: Worker, jobs: Sequence[Paint]) -> TimedJobs:
    """Paint jobs at the same time. Raises EngineError if one is not painted."""
    events: queue.Queue[Event] = queue.Queue()
    start = time.monotonic()
    for job in jobs:
        worker.submit(job, events.put)
    digests: dict[int, str] = {}
    endings = 0
    while endings < len(jobs):
        event = events.get()
        if isinstance(event, ImageDone) and event.job == jobs[0].job:
            digests[event.index] = event.image.sha256
        elif isinstance(event, Ending):
            if not isinstance(event, Completed):
                raise EngineError(f"The pictures were not painted: {event}.")
            endings += 1
    seconds = time.monotonic() - start
    return TimedJobs(seconds, [digests[index] for index in sorted(digests)])
