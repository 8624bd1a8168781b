"""Measure a plain picture beside plain ones, and beside ones with a control."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from engine.bench.stopwatch import Stopwatch
from engine.bench.timed_job import TimedJob, with_most_steps
from engine.contract import Recipe
from engine.core.worker import Worker
from engine.models.unet_diffusion import UnetDiffusion
from engine.steering.control_networks import ControlNet

_OTHERS: Final = 3
"""Pictures beside the plain one; with guidance, all together have eight rows."""
_ROUNDS: Final = 7
_TOLERANCE: Final = 0.02
"""Of the seconds beside plain pictures, for errors of the measurements."""


@dataclass(frozen=True)
class CompanyTimes:
    """The seconds from the submission of a plain picture to the end of its job: the least of some
    rounds, which measure it in both companies in turn."""

    company: str
    """How it is painted with the others."""
    beside_plain: float
    beside_controlled: float
    control_seconds: float
    """Of `beside_controlled`, those in which the networks of the controls run; if several batches
    run at a time, the sum over all of them, divided by their number."""
    excess: float
    """`beside_controlled` without `beside_plain` and `control_seconds`."""
    is_within: bool
    """Whether `excess` is at most _TOLERANCE of `beside_plain`."""


def line(times: CompanyTimes) -> str:
    """Two lines of text."""
    return (
        f"A plain picture {times.company} takes {times.beside_plain:.3f} s beside {_OTHERS} plain "
        f"ones, and {times.beside_controlled:.3f} s beside {_OTHERS} controlled ones, of which the "
        f"controls take {times.control_seconds:.3f} s.\n"
        f"Without the controls it takes {times.excess:+.3f} s longer beside these; not slower by "
        f"more than the controls take: {'yes' if times.is_within else 'NO'}.\n"
    )


def run(
    worker: Worker,
    model: UnetDiffusion,
    plain: Recipe,
    controlled: Recipe,
    files: Mapping[str, bytes],
) -> Iterator[CompanyTimes]:
    """Measure these recipes, which differ in their controls, whose images are in `files`."""
    for company, measure, batches in (
        ("in one batch", _in_one_job, 1),
        ("in a job of its own", _in_jobs, model.card.max_concurrent_batches),
    ):
        rounds = [
            [
                measure(worker, model, [_numbered(plain, 0), *_others(other)], files)
                for other in (plain, controlled)
            ]
            for _ in range(1 + _ROUNDS)
        ][1:]  # the first one warms up
        beside_plain = min(times.seconds for times, _ in rounds)
        best = min((times for _, times in rounds), key=lambda times: times.seconds)
        controls = best.control_seconds / batches
        excess = best.seconds - beside_plain - controls
        is_within = excess <= _TOLERANCE * beside_plain
        yield CompanyTimes(company, beside_plain, best.seconds, controls, excess, is_within)


def _numbered(recipe: Recipe, seed: int) -> Recipe:
    return msgspec.structs.replace(recipe, seed=seed)


def _others(recipe: Recipe) -> list[Recipe]:
    return [_numbered(recipe, 1 + nth) for nth in range(_OTHERS)]


class _Times(NamedTuple):
    """Of a job with a plain picture."""

    seconds: float
    """From its submission to its end."""
    control_seconds: float
    """Of all networks of controls meanwhile, the sum over all threads."""


def _in_one_job(
    worker: Worker, model: UnetDiffusion, recipes: Sequence[Recipe], files: Mapping[str, bytes]
) -> _Times:
    """All are pictures of one job, and share its batches."""
    with _timed_controls(model) as stopwatch:
        job = TimedJob(worker, model.card.with_row_class(recipes), files)
        return _Times(job.wait(), stopwatch.seconds)


def _in_jobs(
    worker: Worker, model: UnetDiffusion, recipes: Sequence[Recipe], files: Mapping[str, bytes]
) -> _Times:
    """The others are jobs of other people, which run before it starts and after it ended."""
    first, *others = [model.card.with_row_class([recipe])[0] for recipe in recipes]
    jobs = [
        TimedJob(worker, [with_most_steps(other, model.card)], files, f"person {nth}")
        for nth, other in enumerate(others)
    ]
    for job in jobs:
        job.wait_for_step()
    with _timed_controls(model) as stopwatch:
        times = _Times(TimedJob(worker, [first], files, "person").wait(), stopwatch.seconds)
    for job in jobs:
        job.cancel()
        job.wait()
    return times


@contextmanager
def _timed_controls(model: UnetDiffusion) -> Iterator[Stopwatch]:
    """In the block, the stopwatch adds up the time of the ControlNets, without their encoders of
    control images, which run once for each image."""
    stopwatch = Stopwatch(model.device)
    networks = [item.network for item in model.control_networks if isinstance(item, ControlNet)]
    for network in networks:
        # An instance attribute takes precedence in Module.__call__.
        network.forward = partial(_timed, stopwatch, network.forward)
    try:
        yield stopwatch
    finally:
        for network in networks:
            del network.forward


def _timed(
    stopwatch: Stopwatch,
    forward: Callable[..., Any],
    *arguments: Any,  # noqa: ANN401 - those of the network
    **options: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    return stopwatch.time(lambda: forward(*arguments, **options))
