"""Run the benchmark, and format its results."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec

from engine.bench.backends import (
    BACKENDS,
    Backend,
    Diffusers,
    Engine,
    available_backends,
    measure_row_classes,
    pipeline_of,
    recipes_of,
)
from engine.bench.load_generator import Completed, LoadGenerator
from engine.bench.workloads import WORKLOADS
from engine.core.job_files import JobWithFiles
from engine.models.base import DiffusionModel
from engine.models.openvino_copies import background_compiler

SHORT_STEPS: Final = 4
"""Jobs with this number of steps have a latency column of their own."""
WARMUP_STEPS: Final = 2


@dataclass(frozen=True)
class BenchConfig:
    """The options of the benchmark."""

    workloads: Sequence[str]
    pictures: Sequence[int]
    people: Sequence[int]
    rates: Sequence[float]
    """Arrival rates, as shares of the throughput of diffusers when it paints jobs one by one."""
    jobs: int
    """Number of jobs in each load."""
    checked_jobs: int | None
    """About this number of jobs of each load is painted again alone, to compare the bits; None for
    all of them."""
    backends: Sequence[str] | None = None
    """Keys of BACKENDS; None for `available_backends`."""
    rounds: int = 1
    """How often each load is measured, by all backends in turn."""


@dataclass(frozen=True)
class Result:
    """The measurements of one backend under one load, of all rounds."""

    backend: str
    workload: str
    pictures_a_job: int
    load: str
    rounds: int
    pictures_a_second: float
    """Median of the rounds."""
    speedup: float
    """pictures_a_second, relative to the first backend in the same round; median of the rounds."""
    speedup_range: tuple[float, float] | None
    """Least and most of the rounds; None if there was one."""
    p50: float
    """Median latency of the jobs of all rounds, in seconds."""
    p90: float
    p95: float
    p95_short: float | None
    """p95 of the jobs of SHORT_STEPS steps, if there are any."""
    padding: float | None = None
    """Share of the rows that were padding."""
    bitwise_equal: float | None = None
    """Share of the compared pictures that have the same bits when painted alone."""
    compared: int | None = None
    """Number of pictures that were painted again."""
    peak_memory: int | None = None
    """Peak memory of the device in bytes; None on a CPU."""
    overhead: float | None = None
    """Share of the ticks' time outside the model."""


def run(model: DiffusionModel, config: BenchConfig) -> Iterator[Result]:
    """Measure all backends under each load."""
    for name in config.workloads:
        for pictures in config.pictures:
            jobs = [WORKLOADS[name](model.card, pictures, nth) for nth in range(config.jobs)]
            for size in {job.paint.recipes[0].size for job in jobs}:
                measure_row_classes(model, *size)
            for load in _loads(model, jobs, config):
                first: list[Run] | None = None
                for runs in _measure_in_turn(model, jobs, load, config):
                    first = first or runs
                    yield combined(runs, first, name, load)


@dataclass(frozen=True)
class LoadPattern:
    """A closed loop of `people` people or, if that is 0, an open loop of `rate` jobs per second."""

    name: str
    people: int = 0
    rate: float = 0.0

    def run(self, generator: LoadGenerator) -> list[Completed]:
        """Submit all jobs of the generator, and wait for them."""
        if self.people:
            return generator.closed_loop(self.people)
        return generator.open_loop(self.rate)


def _loads(
    model: DiffusionModel, jobs: list[JobWithFiles], config: BenchConfig
) -> Iterator[LoadPattern]:
    for people in config.people:
        yield LoadPattern(f"{people} people", people=people)
    if not config.rates:
        return
    serial = Diffusers(pipeline_of(model))
    completed = LoadGenerator(serial, jobs).closed_loop(1)
    serial.close()
    capacity = len(completed) / sum(job.seconds for job in completed)
    for share in config.rates:
        yield LoadPattern(f"Poisson {share:g}", rate=share * capacity)


@dataclass(frozen=True)
class Run:
    """What one backend did under a load in one round."""

    backend: str
    completed: list[Completed]
    engine: dict[str, Any]
    """The measurements that only the engine has."""

    @property
    def pictures_a_second(self) -> float:
        """From the first submission to the last picture."""
        start = min(job.submitted_at for job in self.completed)
        seconds = max(job.finished_at for job in self.completed) - start
        return sum(len(job.digests) for job in self.completed) / seconds


def _measure_in_turn(
    model: DiffusionModel, jobs: list[JobWithFiles], load: LoadPattern, config: BenchConfig
) -> Iterator[list[Run]]:
    """Each backend's runs, one for each round; bits are compared in the last round.

    The last round measures the backends in their order, and every other round before it the other
    way round, so that what slows the machine down for some time does so to all of them.
    """
    names = config.backends or available_backends(model.device)
    runs: list[list[Run]] = [[] for _ in names]
    places = list(zip(names, runs, strict=True))
    for later_rounds in reversed(range(config.rounds)):
        checked_jobs = 0 if later_rounds else config.checked_jobs
        for name, own in places if later_rounds % 2 == 0 else reversed(places):
            own.append(_measure(BACKENDS[name](model), jobs, load, checked_jobs))
            if later_rounds == 0:
                yield own


def _measure(
    backend: Backend, jobs: list[JobWithFiles], load: LoadPattern, checked_jobs: int | None
) -> Run:
    LoadGenerator(backend, [_shortened(job) for job in jobs[:2]]).closed_loop(1)  # warm up
    background_compiler().wait()
    completed = load.run(LoadGenerator(backend, jobs))
    engine = _engine_only(backend, completed, checked_jobs) if isinstance(backend, Engine) else {}
    backend.close()
    return Run(backend.name, completed, engine)


def _shortened(job: JobWithFiles) -> JobWithFiles:
    """The job with WARMUP_STEPS steps at most."""
    recipes = tuple(
        msgspec.structs.replace(recipe, steps=min(recipe.steps, WARMUP_STEPS))
        for recipe in recipes_of(job.paint)
    )
    return job._replace(paint=msgspec.structs.replace(job.paint, recipes=recipes))


def combined(runs: list[Run], first: list[Run], workload: str, load: LoadPattern) -> Result:
    """The medians of a backend's rounds, beside the first backend's."""
    completed = [job for run in runs for job in run.completed]
    latencies = [job.seconds for job in completed]
    short = [job.seconds for job in completed if job.recipes[0].steps == SHORT_STEPS]
    speedups = [
        own.pictures_a_second / other.pictures_a_second
        for own, other in zip(runs, first, strict=True)
    ]
    return Result(
        backend=runs[0].backend,
        workload=workload,
        pictures_a_job=len(completed[0].recipes),
        load=load.name,
        rounds=len(runs),
        pictures_a_second=statistics.median(run.pictures_a_second for run in runs),
        speedup=statistics.median(speedups),
        speedup_range=(min(speedups), max(speedups)) if len(runs) > 1 else None,
        p50=statistics.median(latencies),
        p90=_quantile(latencies, 0.90),
        p95=_quantile(latencies, 0.95),
        p95_short=_quantile(short, 0.95) if short and len(short) < len(completed) else None,
        **_engine_medians([run.engine for run in runs]),
    )


def _engine_medians(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The last of the engine's measurements, with the medians of shares of the time."""
    medians = {
        name: statistics.median(measured[name] for measured in rounds)
        for name in ("padding", "overhead")
        if name in rounds[0]
    }
    return rounds[-1] | medians


def _engine_only(
    engine: Engine, completed: list[Completed], checked_jobs: int | None
) -> dict[str, Any]:
    """The measurements that only the engine has. Pictures are painted again after the others are
    taken, because that changes them."""
    metrics = {
        "padding": engine.padding(),
        "overhead": engine.overhead(),
        "peak_memory": engine.engine_core.model.device.peak_memory(),
    }
    if checked_jobs == 0:
        return metrics
    stride = 1 if checked_jobs is None else max(1, len(completed) // checked_jobs)
    equal = _bitwise_equal(engine, completed[::stride])
    return metrics | {"bitwise_equal": sum(equal) / len(equal), "compared": len(equal)}


def _bitwise_equal(engine: Engine, completed: Sequence[Completed]) -> list[bool]:
    """Whether each picture has the same bits when painted alone in the same row class."""
    return [
        engine.digest_alone(recipe, job.job) == digest
        for job in completed
        for recipe, digest in zip(job.recipes, job.digests, strict=True)
    ]


def _quantile(seconds: Sequence[float], share: float) -> float:
    """The seconds within which this share of the jobs ended."""
    ascending = sorted(seconds)
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]


_COLUMNS: Final = (
    ("backend", "", 32, "{}"),
    ("workload", "load", 5, "{}"),
    ("pictures_a_job", "each", 5, "{}"),
    ("load", "", 14, "{}"),
    ("pictures_a_second", "pictures/s", 11, "{:.2f}"),
    ("speedup", "speedup", 9, "{:.2f}"),
    ("speedup_range", "of rounds", 13, "({0[0]:.2f}-{0[1]:.2f})"),
    ("p50", "p50 s", 8, "{:.2f}"),
    ("p90", "p90 s", 8, "{:.2f}"),
    ("p95", "p95 s", 8, "{:.2f}"),
    ("p95_short", "of 4 steps", 11, "{:.2f}"),
    ("padding", "padding", 8, "{:.0%}"),
    ("bitwise_equal", "equal", 7, "{:.0%}"),
    ("compared", "of", 5, "{}"),
    ("overhead", "overhead", 9, "{:.1%}"),
)
HEAD: Final = "".join(head.ljust(width) for _, head, width, _ in _COLUMNS).rstrip() + "\n"


def line(result: Result) -> str:
    """One line of the table."""
    values = asdict(result)
    cells = (
        ("" if values[name] is None else form.format(values[name])).ljust(width)
        for name, _, width, form in _COLUMNS
    )
    return "".join(cells).rstrip() + "\n"
