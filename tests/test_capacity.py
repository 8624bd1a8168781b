"""The simulation of clusters, by which operators choose how many GPUs they need."""

import asyncio
from collections import Counter
from pathlib import Path
from statistics import mean

import pytest

from bot.domain.limits import Limits
from engine.contract import Paint
from tests import samples
from tests.capacity import GREEDY, Effort, cluster, mean_waits, users_at_capacity, write
from tests.capacity_report import jain_index, percentile, seconds
from tests.capacity_simulation import Cluster, simulate
from tests.crowds import RUSH_SECONDS, Arrival, Crowd, steady_arrivals
from tests.fairness import GREED, RAISED, crowd
from tests.replica_model import SD15, SDXL, PassCost
from tests.simulated_cluster import Deaths, SimulatedCluster
from tests.simulated_engine import SECONDS
from tests.simulation import STEPS, Simulation, Submission
from tests.virtual_time import VirtualTimeLoop

MEAN_TOLERANCE = 0.01
"""By which the model's mean wait may differ from that of a real engine core."""
USER_TOLERANCE = 0.15
"""The same of each user."""


def rush(jobs: int) -> list[Arrival]:
    """So many users request pictures at once."""
    return [Arrival(0.0, user) for user in range(jobs)]


@pytest.mark.parametrize(("row_class", "gap", "is_greedy"), [(8, 45.0, True), (2, 180.0, False)])
def test_a_replica_is_as_fast_as_a_real_engine_core(
    row_class: int, gap: float, is_greedy: bool
) -> None:
    """The same users wait as long, whether a grid is one batch or four."""
    others = [*crowd(1, gap, 120.0), *(GREED[:10] if is_greedy else ())]
    submissions = [Submission(each.at, each.user, row_class=row_class) for each in others]
    pictures_per_second = row_class / 2 / (STEPS * SECONDS)
    cost = PassCost(
        name="tiny",
        side=64,
        steps=STEPS,
        row_class=row_class,
        pictures_per_second=pictures_per_second,
        source="the simulated engine core",
    )
    real = Simulation(RAISED).run(submissions).mean_waits()
    arrivals = [Arrival(each.at, each.user) for each in submissions]
    outcome = simulate(arrivals, Cluster(replicas=1, cost=cost, limits=RAISED))
    model: dict[int, list[float]] = {}
    for times in outcome.times:
        model.setdefault(times.user, []).append(times.grid)
    assert model.keys() == real.keys()
    assert len(outcome.times) == len(submissions)
    for user, waits in model.items():
        assert mean(waits) == pytest.approx(real[user], rel=USER_TOLERANCE)
    everyone = mean(mean(waits) for waits in model.values())
    assert everyone == pytest.approx(mean(real.values()), rel=MEAN_TOLERANCE)


@pytest.mark.parametrize("cost", [SD15, SDXL])
def test_a_loaded_replica_is_as_fast_as_measured(cost: PassCost) -> None:
    """A backlog is painted with the pictures per second of the measurement."""
    outcome = simulate(rush(40), cluster(cost, 1))
    assert 40 * 4 / outcome.seconds == pytest.approx(cost.pictures_per_second, rel=0.01)


def test_twice_the_replicas_need_half_the_time_for_a_backlog() -> None:
    """Also from four to eight."""
    two, four, eight = (simulate(rush(64), cluster(SDXL, count)).seconds for count in (2, 4, 8))
    assert two / four == pytest.approx(2.0, rel=0.05)
    assert four / eight == pytest.approx(2.0, rel=0.05)


def test_users_of_four_replicas_wait_less_than_those_of_one() -> None:
    """With as many users for each replica: nobody waits while a replica is idle."""
    waits = []
    for replicas in (1, 4):
        users = Crowd(users=round(0.7 * users_at_capacity(SDXL) * replicas))
        outcome = simulate(users.peak(400.0), cluster(SDXL, replicas))
        waits.append(mean(times.grid for times in outcome.times))
    assert waits[1] < 0.8 * waits[0]


@pytest.mark.parametrize("seed", range(3))
def test_a_replica_that_dies_loses_no_job_and_doubles_none(seed: int) -> None:
    """Each job has one ending; those that were interrupted only wait longer."""
    deaths = Deaths(mean_seconds=60.0, recovery_seconds=11.0, seed=seed)
    arrivals = steady_arrivals(40, 0.8, 90.0, seed)
    outcome = simulate(arrivals, cluster(SDXL, 4, deaths))
    delivered = Counter(times.job_id for times in outcome.times)
    assert outcome.interrupted > 0
    assert set(delivered.values()) == {1}
    assert len(delivered) + outcome.failed + outcome.refused == len(arrivals)


def test_deaths_make_users_wait() -> None:
    """Otherwise the simulation would not tell what they cost."""
    arrivals = steady_arrivals(40, 0.8, 60.0, 0)
    alive, dying = (
        mean(times.grid for times in simulate(arrivals, cluster(SDXL, 4, deaths)).times)
        for deaths in (None, Deaths(mean_seconds=60.0))
    )
    assert dying > 1.1 * alive


def test_four_replicas_are_shared_fairly() -> None:
    """Beside 80 jobs of one user, the others wait no longer than for one job more on average.

    Those 80 take all four replicas 14 seconds.
    """
    four = Cluster(replicas=4, cost=SD15, limits=Limits(max_unfinished=80))
    others = steady_arrivals(76, 0.85 * 4 * SD15.jobs_per_second, 30.0, 0)
    alone = mean_waits(simulate(others, four))
    beside = mean_waits(simulate([*others, *[Arrival(0.0, GREEDY)] * 80], four))
    assert mean(beside[user] - alone[user] for user in alone) < 1.5 / SD15.jobs_per_second


def test_equal_seeds_give_equal_results() -> None:
    """Of crowds and of deaths; other seeds give others."""
    arrivals = steady_arrivals(20, 0.5, 60.0, 3)
    assert arrivals == steady_arrivals(20, 0.5, 60.0, 3) != steady_arrivals(20, 0.5, 60.0, 4)
    first, second, other = (
        simulate(arrivals, cluster(SDXL, 2, Deaths(mean_seconds=30.0, seed=seed))).times
        for seed in (1, 1, 2)
    )
    assert first == second != other


def test_a_suspect_runs_alone_on_its_replica() -> None:
    """It waits until a replica is idle, which gets no other job before it has ended."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        ends = runner.run(_ends_beside_a_suspect())
    alone = 4 * 20 * SDXL.seconds
    assert ends["first"] == pytest.approx(alone, rel=0.01)
    assert ends["suspect"] == pytest.approx(2 * alone, rel=0.01)
    assert ends["second"] == pytest.approx(2 * alone, rel=0.05)
    assert ends["third"] == pytest.approx(2 * alone, rel=0.05)


async def _ends_beside_a_suspect() -> dict[str, float]:
    loop = asyncio.get_running_loop()
    two = SimulatedCluster(2, lambda _: SDXL.seconds)
    ends: dict[str, float] = {}

    async def submit(name: str, *, is_alone: bool = False) -> None:
        recipes = tuple(samples.recipe(steps=20, row_class=2, seed=nth) for nth in range(4))
        paint = Paint(job=name, attempt=1, recipes=recipes, is_alone=is_alone, owner=name)
        await two.submit(paint, lambda _: None)
        ends[name] = loop.time()

    async with asyncio.TaskGroup() as group:
        for name in ("first", "second", "suspect", "third"):
            group.create_task(submit(name, is_alone=name == "suspect"))
    return ends


def test_a_crowd_requests_as_much_as_assumed() -> None:
    """The mean rate is that of the busiest hour; a rush has each user once, within a minute."""
    users = Crowd(users=100_000)
    assert users.active == 10_000
    assert users.peak_rate == pytest.approx(10_000 * 5 * 3 / 86_400)
    assert len(users.peak(3600.0)) == pytest.approx(3600 * users.peak_rate, rel=0.05)
    arrivals = users.rush(start=10.0)
    assert len({arrival.user for arrival in arrivals}) == len(arrivals) == 500
    assert all(10.0 <= arrival.at <= 10.0 + RUSH_SECONDS for arrival in arrivals)


def test_percentiles_and_jains_index() -> None:
    """Known values."""
    assert [percentile(range(1, 101), percent) for percent in (50, 95, 99)] == [50, 95, 99]
    assert percentile([3.0], 50) == 3.0
    assert jain_index([0.4] * 5) == pytest.approx(1.0)
    assert jain_index([1.0, 0.0, 0.0, 0.0]) == pytest.approx(0.25)
    assert [seconds(value) for value in (0.68, 12.3, 150.0)] == ["0.7 s", "12 s", "2.5 min"]


def test_the_tables_and_the_plot_are_written(tmp_path: Path) -> None:
    """Equal runs write equal files; the plot has a line for each number of replicas."""
    effort = Effort(
        cases=((SDXL, 10_000, (2,)),),
        jobs=20,
        loads=(0.5, 1.0),
        line_replicas=(1, 2),
        fairness_replicas=(),
    )
    for name in ("first", "second"):
        write(tmp_path / name, effort)
    files = ["waiting_times.md", "waiting_times.svg"]
    for file in files:
        first, second = ((tmp_path / name / file).read_bytes() for name in ("first", "second"))
        assert first == second
    tables, plot = ((tmp_path / "first" / file).read_text("utf-8") for file in files)
    assert "| 10,000 | 2 |" in tables
    assert "1 GPU<" in plot
    assert "2 GPUs<" in plot
