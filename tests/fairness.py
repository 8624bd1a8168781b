"""How users affect each other: `python tests/fairness.py` prints the table of bot/README.md.

It simulates hours of submissions, with the greedy user and without, which takes some minutes.
"""

import random
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from bot.domain.limits import Limits
from tests.simulation import Simulation, Submission

GREEDY: Final = 0
GREED: Final = tuple(Submission(1e-9 * n, GREEDY) for n in range(50))
"""Jobs for 200 pictures at the same time."""
RAISED: Final = Limits(max_unfinished=50)
SECONDS: Final = 600.0
"""How long the others submit jobs."""
GAPS: Final = (65.0, 45.0, 40.0)
RUNS: Final = 5


def crowd(seed: int, gap: float, seconds: float = SECONDS) -> tuple[Submission, ...]:
    """Nineteen users who each submit a job for four pictures every `gap` seconds on average."""
    rng = random.Random(seed)
    submissions = []
    for person in range(1, 20):
        at = rng.expovariate(1 / gap)
        while at < seconds:
            submissions.append(Submission(at, person))
            at += rng.expovariate(1 / gap)
    return tuple(submissions)


class Result(NamedTuple):
    """The result of a simulation."""

    mean_waits: dict[int, float]
    """By user, in seconds."""
    engine_seconds: dict[int, float]
    """By user."""


@cache
def simulate(submissions: tuple[Submission, ...], limits: Limits) -> Result:
    """Simulate these submissions."""
    simulation = Simulation(limits).run(submissions)
    return Result(simulation.mean_waits(), simulation.engine_seconds)


def growth(
    others: Sequence[Submission], greed: Sequence[Submission], limits: Limits
) -> list[float]:
    """The factors by which the mean waits of the other users grow with the greedy one."""
    baseline = simulate(tuple(others), limits).mean_waits
    loaded = simulate((*others, *greed), limits).mean_waits
    return [loaded[user] / baseline[user] for user in baseline]


def row(gap: float) -> str:
    """A row of the table."""
    crowds = [crowd(seed, gap) for seed in range(RUNS)]
    load = (
        mean(sum(simulate(others, RAISED).engine_seconds.values()) for others in crowds) / SECONDS
    )
    factors = [growth(others, GREED, RAISED) for others in crowds]
    average = mean(factor for of_run in factors for factor in of_run)
    return f"| {load:.0%} | {average:.2f} times | {max(map(max, factors)):.1f} times |"


if __name__ == "__main__":
    for gap in GAPS:
        print(row(gap), flush=True)  # noqa: T201 - a table for the README
