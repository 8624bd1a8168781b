"""The tables of the capacity simulation, in Markdown."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from tests.capacity_simulation import JobTimes, Outcome
from tests.replica_model import PassCost

T = TypeVar("T")


class Measured(NamedTuple):
    """The outcome of one crowd with one cluster."""

    cost: PassCost
    users: int
    outcome: Outcome


class Fairness(NamedTuple):
    """How a cluster treats its users."""

    replicas: int
    alone: float
    """Mean seconds that users wait without a greedy one."""
    beside: float
    """The same beside a greedy one."""
    max_growth: float
    """Of the mean wait of one user, as a factor."""
    jain: float
    """Jain's index of engine seconds per unit of demand, under overload."""


def percentile(values: Iterable[float], percent: float) -> float:
    """The least value that at least so many percent of the values do not exceed.

    Raises IndexError if there are no values.
    """
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def jain_index(shares: Sequence[float]) -> float:
    """1 if all shares are equal, 1/n if one of n has all.

    Jain, Chiu and Hawe 1984, https://arxiv.org/abs/cs/9809099.
    """
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


def seconds(value: float) -> str:
    """A wait with two digits, in seconds, or in minutes from 100 s on."""
    if value >= 99.5:
        return f"{value / 60:.1f} min"
    return f"{value:.1f} s" if value < 9.95 else f"{value:.0f} s"


def waits(times: Sequence[JobTimes]) -> list[str]:
    """Medians, 95th and 99th percentiles: of the first picture, and of the grid."""
    return [
        " / ".join(seconds(percentile(values, percent)) for percent in (50, 95, 99))
        for values in (
            [each.first_picture for each in times],
            [each.grid for each in times],
        )
    ]


def refused(outcome: Outcome) -> str:
    """The share of the requests that were refused."""
    share = outcome.refused / (outcome.refused + len(outcome.times))
    return "none" if not outcome.refused else f"{share:.1%}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def peak_tables(cases: Iterable[Measured]) -> str:
    """Waits in the busiest hour, in a table for each model."""
    return _by_model(cases, lambda measured: measured.cost, peak_table)


def rush_tables(cases: Iterable[tuple[Measured, Sequence[JobTimes]]]) -> str:
    """Waits of those who request pictures during a rush, in a table for each model."""
    return _by_model(cases, lambda case: case[0].cost, rush_table)


def _by_model(
    cases: Iterable[T], cost: Callable[[T], PassCost], of_model: Callable[[Sequence[T]], str]
) -> str:
    by_name: dict[str, list[T]] = {}
    for case in cases:
        by_name.setdefault(cost(case).name, []).append(case)
    return "\n".join(f"{name}:\n\n{of_model(group)}" for name, group in by_name.items())


def peak_table(cases: Iterable[Measured]) -> str:
    """Waits in the busiest hour."""
    return table(
        ["users", "replicas", "busy", "first picture: p50 / p95 / p99", "grid", "refused"],
        (
            [
                f"{users:,}",
                str(outcome.replicas),
                f"{outcome.utilisation:.0%}",
                *waits(outcome.times),
                refused(outcome),
            ]
            for _, users, outcome in cases
        ),
    )


def rush_table(cases: Iterable[tuple[Measured, Sequence[JobTimes]]]) -> str:
    """Waits of those who request pictures during a rush."""
    return table(
        ["users", "replicas", "painted of that minute", "first picture", "grid", "refused"],
        (
            [
                f"{measured.users:,}",
                str(measured.outcome.replicas),
                f"{len(times):,}",
                *waits(times),
                refused(measured.outcome),
            ]
            for measured, times in cases
        ),
    )


def failure_table(cases: Iterable[tuple[str, Outcome]]) -> str:
    """What deaths of replicas change; the first column says how often they die."""
    return table(
        ["each replica dies", "attempts interrupted", "jobs failed", "first picture", "grid"],
        (
            [name, str(outcome.interrupted), str(outcome.failed), *waits(outcome.times)]
            for name, outcome in cases
        ),
    )


def fairness_table(cases: Iterable[Fairness]) -> str:
    """How much a greedy user and an overload change."""
    return table(
        [
            "replicas",
            "mean wait",
            "beside a greedy user",
            "most for one user",
            "Jain's index under overload",
        ],
        (
            [
                str(case.replicas),
                seconds(case.alone),
                seconds(case.beside),
                f"{case.max_growth:.1f} times",
                f"{case.jain:.3f}",
            ]
            for case in cases
        ),
    )
