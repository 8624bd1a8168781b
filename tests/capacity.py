"""How many GPUs a crowd needs: `python -m tests.capacity --out DIR` writes the tables and the plot
of engine/README.md, in a quarter of an hour of one core; with `--quick` a small part, to try it.

The results depend on nothing but the code: crowds and deaths are drawn from fixed seeds.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Final

from bot.domain.limits import Limits
from tests import capacity_report as report
from tests.capacity_plot import Line, save_plot
from tests.capacity_report import Fairness, Measured
from tests.capacity_simulation import Cluster, JobTimes, Outcome, simulate
from tests.crowds import RUSH_SECONDS, Arrival, Crowd, steady_arrivals
from tests.replica_model import SD15, SDXL, PassCost
from tests.simulated_cluster import Deaths

RUSH_START: Final = 120.0
"""Seconds of the busiest hour before a rush."""
AFTER_RUSH: Final = 180.0
"""Seconds in which the others go on after it."""
RUSH_USERS: Final = (10_000, 100_000)
"""More take too long to simulate, because the dispatcher sorts thousands of queued jobs."""
MOST_JOBS: Final = 1200
"""Of one simulation: its 99th percentile depends on the dozen longest waits."""
CASES: Final[Sequence[tuple[PassCost, int, Sequence[int]]]] = (
    (SD15, 1_000, (1,)),
    (SD15, 10_000, (1,)),
    (SD15, 100_000, (1, 2, 4)),
    (SD15, 1_000_000, (12, 16, 32)),
    (SDXL, 1_000, (1,)),
    (SDXL, 10_000, (1, 2, 4)),
    (SDXL, 100_000, (6, 8, 16)),
    (SDXL, 1_000_000, (64,)),
)
"""Users, and the numbers of replicas that they are tried with."""
GREEDY: Final = -1
"""The user of many jobs."""
LOADS: Final = (0.3, 0.6, 0.8, 0.95)
"""Of the lines of the plot, as shares of what the replicas can paint."""
LINE_REPLICAS: Final = (1, 4, 16, 64)


def cluster(cost: PassCost, replicas: int, deaths: Deaths | None = None) -> Cluster:
    """Replicas with the default limits of the bot."""
    return Cluster(replicas=replicas, cost=cost, deaths=deaths)


@dataclass(frozen=True)
class Effort:
    """How much is simulated."""

    cases: Sequence[tuple[PassCost, int, Sequence[int]]] = CASES
    jobs: int = MOST_JOBS
    loads: Sequence[float] = LOADS
    line_replicas: Sequence[int] = LINE_REPLICAS
    fairness_replicas: Sequence[int] = (1, 2, 4)
    fairness_runs: int = 2


QUICK: Final = Effort(
    cases=((SD15, 100_000, (4,)), (SDXL, 10_000, (1, 2))),
    jobs=200,
    loads=(0.5, 1.0),
    line_replicas=(1, 4),
    fairness_replicas=(1,),
    fairness_runs=1,
)


def peak_seconds(crowd: Crowd, jobs: int) -> float:
    """How long the busiest hour must be for so many jobs, but no longer than four hours."""
    return min(4 * 3600.0, jobs / crowd.peak_rate)


def peaks(effort: Effort) -> Iterator[Measured]:
    """The waits in the busiest hour."""
    for cost, users, all_replicas in effort.cases:
        crowd = Crowd(users=users)
        arrivals = crowd.peak(peak_seconds(crowd, effort.jobs))
        for replicas in all_replicas:
            yield Measured(cost, users, simulate(arrivals, cluster(cost, replicas)))


def in_rush(outcome: Outcome) -> list[JobTimes]:
    """The jobs that were requested during the minute of the rush."""
    return [
        times for times in outcome.times if 0.0 <= times.requested_at - RUSH_START <= RUSH_SECONDS
    ]


def rushes(effort: Effort) -> Iterator[tuple[Measured, Sequence[JobTimes]]]:
    """The waits in a rush in the busiest hour, for some of the crowds."""
    for cost, users, all_replicas in effort.cases:
        if users not in RUSH_USERS:
            continue
        crowd = Crowd(users=users)
        seconds = RUSH_START + RUSH_SECONDS + AFTER_RUSH
        arrivals = [*crowd.peak(seconds), *crowd.rush(seed=1, start=RUSH_START)]
        for replicas in all_replicas:
            outcome = simulate(arrivals, cluster(cost, replicas))
            yield Measured(cost, users, outcome), in_rush(outcome)


def failures(effort: Effort) -> Iterator[tuple[str, Outcome]]:
    """100,000 users of SDXL on eight replicas that die."""
    crowd = Crowd(users=100_000)
    arrivals = crowd.peak(peak_seconds(crowd, effort.jobs))
    for name, mean_seconds in (("never", None), ("every 10 min", 600), ("every 2 min", 120)):
        deaths = None if mean_seconds is None else Deaths(mean_seconds=mean_seconds)
        yield name, simulate(arrivals, cluster(SDXL, 8, deaths))


def lines(cost: PassCost, effort: Effort) -> Iterator[Line]:
    """The 95th percentile of the wait for the grid, by users for each replica."""
    for replicas in effort.line_replicas:
        points = []
        for load in effort.loads:
            users_per_replica = load * users_at_capacity(cost)
            crowd = Crowd(users=round(users_per_replica * replicas))
            jobs = effort.jobs * (0.3 if replicas == 1 else 1.0)
            arrivals = crowd.peak(jobs / crowd.peak_rate, seed=replicas)
            outcome = simulate(arrivals, cluster(cost, replicas))
            wait = report.percentile((times.grid for times in outcome.times), 95)
            points.append((users_per_replica, wait))
        yield Line(cost, replicas, points)


def users_at_capacity(cost: PassCost) -> float:
    """How many users request as much in the busiest hour as one replica can paint."""
    return cost.jobs_per_second / Crowd(users=1_000_000).peak_rate * 1_000_000


def fairness(replicas: int, runs: int) -> Fairness:
    """How a greedy user and an overload affect others, with Stable Diffusion 1.5.

    Nineteen users for each replica keep it busy for 85 % of five minutes; the greedy one submits 50
    jobs for each replica at once. In the overload, twenty for each request 1.5 times what it can
    paint, for five minutes.
    """
    raised = Limits(max_unfinished=50 * replicas)
    raised_cluster = Cluster(replicas=replicas, cost=SD15, limits=raised)
    greed = [Arrival(0.0, GREEDY)] * 50 * replicas
    rate = SD15.jobs_per_second * replicas
    waits, factors = [], []
    for seed in range(runs):
        others = steady_arrivals(19 * replicas, 0.85 * rate, 300.0, seed)
        alone = mean_waits(simulate(others, raised_cluster))
        beside = mean_waits(simulate([*others, *greed], raised_cluster))
        waits.append((mean(alone.values()), mean(beside.values())))
        factors += [beside[user] / alone[user] for user in alone]
    alone_mean, beside_mean = (mean(values) for values in zip(*waits, strict=True))
    return Fairness(replicas, alone_mean, beside_mean, max(factors), overload_fairness(replicas))


def overload_fairness(replicas: int, seconds: float = 300.0) -> float:
    """Jain's index of the shares of their demand that users get under overload."""
    rate = 1.5 * SD15.jobs_per_second * replicas
    demand = steady_arrivals(20 * replicas, rate, seconds, 0)
    outcome = simulate(demand, cluster(SD15, replicas))
    painted = Counter(
        times.user for times in outcome.times if times.requested_at + times.grid <= seconds
    )
    demanded = Counter(arrival.user for arrival in demand)
    return report.jain_index([painted[user] / count for user, count in demanded.items()])


def mean_waits(outcome: Outcome) -> dict[int, float]:
    """Mean seconds to the grid, by user; without the greedy one."""
    by_user: dict[int, list[float]] = {}
    for times in outcome.times:
        by_user.setdefault(times.user, []).append(times.grid)
    return {user: mean(waits) for user, waits in by_user.items() if user != GREEDY}


def write(folder: Path, effort: Effort) -> None:
    """Write the tables and the plot."""
    parts: list[tuple[str, Callable[[], str]]] = [
        ("Busiest hour", lambda: report.peak_tables(peaks(effort))),
        ("Rush", lambda: report.rush_tables(rushes(effort))),
        ("Replicas that die", lambda: report.failure_table(failures(effort))),
        (
            "Fairness",
            lambda: report.fairness_table(
                fairness(replicas, effort.fairness_runs) for replicas in effort.fairness_replicas
            ),
        ),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "waiting_times.md").open("w", encoding="utf-8") as file:
        for title, make in parts:
            start = time.process_time()
            text = f"### {title}\n\n{make()}\n"
            file.write(text)
            file.flush()
            sys.stdout.write(f"{text}{time.process_time() - start:.0f} s of CPU time\n\n")
    panels = {cost.name: list(lines(cost, effort)) for cost in (SD15, SDXL)}
    save_plot(folder / "waiting_times.svg", panels)


def main() -> None:
    """Run the simulations that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.capacity", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="simulate little")
    options = parser.parse_args()
    write(options.out, QUICK if options.quick else Effort())


if __name__ == "__main__":
    main()
