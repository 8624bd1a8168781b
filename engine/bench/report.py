"""The benchmark's run, its table and its JSON."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from engine.bench.backends import Diffusers, Engine, Way
from engine.bench.load_generator import Crowd, Ended
from engine.bench.workloads import WORKLOADS
from engine.contract import Paint
from engine.models.base import PaintModel

SHORT: Final = 4
"""Steps of a job whose latency among long ones is looked at by itself."""
CHECKED: Final = 8
"""Jobs of each load, about, that are painted again alone, to compare their bits."""


@dataclass(frozen=True)
class Asked:
    """What to measure."""

    workloads: Sequence[str]
    pictures: Sequence[int]
    people: Sequence[int]
    rates: Sequence[float]
    """Of arrival, as shares of what diffusers manages one by one."""
    jobs: int
    """In each load."""
    check_all: bool = False
    """Paint all of them again alone, instead of CHECKED, to compare their bits."""


@dataclass(frozen=True)
class Result:
    """What one way of painting did with one load."""

    who: str
    workload: str
    pictures_a_job: int
    load: str
    pictures_a_second: float
    times: float
    """The same beside the first way of painting."""
    p50: float
    """Seconds from a job's coming to its end; half of the jobs took less."""
    p90: float
    p95: float
    p95_short: float | None
    """The same for jobs of SHORT steps, where there are such."""
    padding: float | None = None
    """Share of the rows that were nobody's."""
    same_bits: float | None = None
    """Share of the pictures that come out the same when they are painted alone."""
    compared: int | None = None
    """Pictures that were."""
    peak_memory: int | None = None
    """Bytes of the device so far, where it has memory of its own."""
    besides: float | None = None
    """Share of the ticks' time that was not the model's."""


def run(model: PaintModel, asked: Asked) -> Iterator[Result]:
    """Measure, load by load."""
    for name in asked.workloads:
        for pictures in asked.pictures:
            jobs = [WORKLOADS[name](model.card, pictures, nth) for nth in range(asked.jobs)]
            for size in {(job.recipes[0].width, job.recipes[0].height) for job in jobs}:
                for rows in model.card.row_classes(*size):
                    model.exact(*size, rows)  # found out now, not while it is measured
            for load in _loads(model, jobs, asked):
                first: Result | None = None
                for way in _ways(model):
                    Crowd(way, jobs[:2]).closed_loop(1)  # warm
                    ended = load.meet(Crowd(way, jobs))
                    result = _result(way, name, pictures, load, ended, asked.check_all)
                    way.close()
                    first = first or result
                    times = result.pictures_a_second / first.pictures_a_second
                    yield replace(result, times=times)


def _ways(model: PaintModel) -> Iterator[Way]:
    yield Diffusers(model.pipeline)
    if model.device.torch_device.type == "cuda":
        yield Diffusers(model.pipeline, compiled=True)
    yield Diffusers(model.pipeline, together=True)
    yield Engine(model, adaptive=False)
    yield Engine(model, adaptive=True)


@dataclass(frozen=True)
class Load:
    """How jobs come: from so many people in a closed loop, or so many a second."""

    name: str
    people: int = 0
    rate: float = 0.0

    def meet(self, crowd: Crowd) -> list[Ended]:
        """Hand over the jobs."""
        return crowd.closed_loop(self.people) if self.people else crowd.arriving(self.rate)


def _loads(model: PaintModel, jobs: list[Paint], asked: Asked) -> Iterator[Load]:
    for people in asked.people:
        yield Load(f"{people} people", people=people)
    if not asked.rates:
        return
    serial = Diffusers(model.pipeline)
    ended = Crowd(serial, jobs).closed_loop(1)
    serial.close()
    capacity = len(ended) / sum(each.seconds for each in ended)
    for share in asked.rates:
        yield Load(f"Poisson {share:g}", rate=share * capacity)


def _result(
    way: Way, workload: str, pictures: int, load: Load, ended: list[Ended], check_all: bool
) -> Result:
    seconds = max(each.went for each in ended) - min(each.came for each in ended)
    short = [each.seconds for each in ended if each.job.recipes[0].steps == SHORT]
    return Result(
        who=way.name,
        workload=workload,
        pictures_a_job=pictures,
        load=load.name,
        pictures_a_second=len(ended) * pictures / seconds,
        times=1.0,
        p50=statistics.median(each.seconds for each in ended),
        p90=_within([each.seconds for each in ended], 0.90),
        p95=_within([each.seconds for each in ended], 0.95),
        p95_short=_within(short, 0.95) if short and len(short) < len(ended) else None,
        **(_of_engine(way, ended, check_all) if isinstance(way, Engine) else {}),
    )


def _of_engine(engine: Engine, ended: list[Ended], check_all: bool) -> dict[str, Any]:
    """What only the engine can tell; its bits last, because that paints more."""
    told = {
        "padding": engine.padding(),
        "besides": engine.besides(),
        "peak_memory": engine.painter.model.device.peak_memory(),
    }
    same = _same_bits(engine, ended if check_all else ended[:: max(1, len(ended) // CHECKED)])
    return told | {"same_bits": sum(same) / len(same), "compared": len(same)}


def _same_bits(engine: Engine, ended: Sequence[Ended]) -> list[bool]:
    """Paint these pictures again, each alone, in the row class that it was painted in."""
    return [
        engine.alone(recipe, each.job.source) == digest
        for each in ended
        for recipe, digest in zip(each.recipes, each.digests, strict=True)
    ]


def _within(seconds: Sequence[float], share: float) -> float:
    """In how many seconds this share of the jobs ended."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


_COLUMNS: Final = (
    ("who", "", 32, "{}"),
    ("workload", "load", 5, "{}"),
    ("pictures_a_job", "each", 5, "{}"),
    ("load", "", 14, "{}"),
    ("pictures_a_second", "pictures/s", 11, "{:.2f}"),
    ("times", "times", 7, "{:.2f}"),
    ("p50", "p50 s", 8, "{:.2f}"),
    ("p90", "p90 s", 8, "{:.2f}"),
    ("p95", "p95 s", 8, "{:.2f}"),
    ("p95_short", "of 4 steps", 11, "{:.2f}"),
    ("padding", "padding", 8, "{:.0%}"),
    ("same_bits", "same bits", 10, "{:.0%}"),
    ("compared", "of", 5, "{}"),
    ("besides", "besides model", 13, "{:.1%}"),
)
HEAD: Final = "".join(head.ljust(wide) for _, head, wide, _ in _COLUMNS).rstrip() + "\n"


def line(result: Result) -> str:
    """One line of the table."""
    values = asdict(result)
    cells = (
        ("" if values[name] is None else form.format(values[name])).ljust(wide)
        for name, _, wide, form in _COLUMNS
    )
    return "".join(cells).rstrip() + "\n"
