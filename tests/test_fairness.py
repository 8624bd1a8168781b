"""Fairness between users, in simulations of twenty users and with a whole bot."""

import random
from collections.abc import Sequence
from statistics import mean

import pytest

from bot.domain.fair_queue import MAX_LEAD
from bot.domain.limits import Limits
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine
from tests.simulation import Simulation, Submission

GREEDY = 0
GREED = [Submission(1e-9 * n, GREEDY) for n in range(50)]
"""Jobs for 200 pictures at the same time."""
RAISED = Limits(max_unfinished=50)
ALONE = 2.0
"""Seconds that four pictures take on an idle engine."""


def crowd(seed: int, gap: float, people: int = 19, until: float = 600.0) -> list[Submission]:
    """Users who each submit a job for four pictures every `gap` seconds on average."""
    rng = random.Random(seed)
    submissions = []
    for person in range(1, people + 1):
        at = rng.expovariate(1 / gap)
        while at < until:
            submissions.append(Submission(at, person))
            at += rng.expovariate(1 / gap)
    return submissions


def growth(
    others: Sequence[Submission], greed: Sequence[Submission], limits: Limits
) -> list[float]:
    """The factors by which the waits of the other users grow with the greedy one."""
    baseline = Simulation(limits).run(others).mean_waits()
    loaded = Simulation(limits).run([*others, *greed]).mean_waits()
    return [loaded[user] / baseline[user] for user in baseline]


@pytest.mark.parametrize("limits", [Limits(), RAISED], ids=["some are refused", "all wait"])
@pytest.mark.parametrize("gap", [400.0, 120.0, 65.0, 45.0])
@pytest.mark.parametrize("seed", range(3))
def test_200_pictures_of_one_user_do_not_double_any_wait(
    seed: int, gap: float, limits: Limits
) -> None:
    """Nineteen other users keep the engine busy for 10 to 80 % of the time."""
    assert max(growth(crowd(seed, gap), GREED, limits)) < 2.0


def test_simultaneous_submissions_do_not_double_any_wait() -> None:
    """Twenty users submit in the same second."""
    rush = [Submission(0.0, person) for person in range(1, 20)]
    assert max(growth(rush, GREED, RAISED)) < 2.0


@pytest.mark.parametrize("seed", range(2))
def test_under_overload_waits_grow_by_less_than_half_on_average(
    seed: int,
) -> None:
    """The greedy user gets no more than an equal share."""
    assert mean(growth(crowd(seed, 40.0), GREED, RAISED)) < 1.5


def test_the_greedy_user_is_served_too() -> None:
    """The pictures are painted in the time that others leave, and are ready soon after theirs."""
    simulation = Simulation(RAISED).run([*crowd(0, 45.0), *GREED])
    assert simulation.engine_seconds[GREEDY] == pytest.approx(50 * ALONE, rel=0.2)
    assert simulation.mean_waits()[GREEDY] < 300.0


def test_large_jobs_get_no_larger_share_than_small_ones() -> None:
    """While both users have jobs, each gets half of the engine."""
    large = [Submission(0.0, 1, steps=100, side=128) for _ in range(8)]
    small = [Submission(0.0, 2, pictures=1) for _ in range(400)]
    simulation = Simulation(
        Limits(max_unfinished=500, max_unfinished_total=1000, guild_share=1.0)
    ).run([*large, *small])
    last_small = max(
        wait
        for submission, waits in simulation.waits.items()
        for wait in waits
        if submission.user == 2
    )
    seconds = simulation.engine_seconds[2]
    assert last_small == pytest.approx(2 * seconds, rel=0.35)


def test_a_small_job_does_not_wait_for_huge_ones() -> None:
    """Four users request 100 steps at four times the size."""
    huge = [
        Submission(0.0, person, steps=100, side=128) for person in (1, 2, 3, 4) for _ in range(3)
    ]
    for at in (50.0, 100.0, 150.0):
        simulation = Simulation().run([*huge, Submission(at, 5)])
        [[wait]] = [waits for submission, waits in simulation.waits.items() if submission.user == 5]
        assert wait < 4 * ALONE


def test_a_newcomer_waits_no_longer_than_an_early_user() -> None:
    """The newcomer does not wait for all jobs that others submitted earlier."""
    others = [Submission(0.0, person) for person in range(1, 11) for _ in range(5)]
    simulation = Simulation().run([*others, Submission(40.0, 99)])
    [[wait]] = [waits for submission, waits in simulation.waits.items() if submission.user == 99]
    assert wait < 11 * ALONE


def test_a_small_guild_is_served_beside_a_large_one() -> None:
    """They wait no longer, because one guild fills at most three quarters of the queue."""
    large = [Submission(0.0, person, guild=1) for person in range(40) for _ in range(5)]
    small = [Submission(5.0, person, guild=2) for person in (90, 91)]
    waits = Simulation().run([*large, *small]).mean_waits()
    assert max(waits[90], waits[91]) < mean(waits[person] for person in range(40)) / 4


def test_a_role_limit_changes_nothing_for_others() -> None:
    """More concurrent and more waiting jobs do not give a larger share of the engine."""
    others = crowd(1, 65.0)
    raised = [Submission(1e-9 * n, GREEDY, seats=8) for n in range(50)]
    assert max(growth(others, raised, RAISED)) < 2.0


@pytest.mark.parametrize("seed", range(3))
def test_reported_queue_positions_are_mostly_exact(seed: int) -> None:
    """At least 70 % of the reported positions are exact, if no job is added.

    Others change by a few, because the cost of a job is known only when the job has ended.
    """
    rng = random.Random(seed)
    submissions = [
        Submission(0.0, person, pictures=rng.choice([1, 4]), steps=rng.choice([10, 20, 50]))
        for person in range(12)
        for _ in range(rng.randint(1, 5))
    ]
    simulation = Simulation().run(submissions)
    starts = {name: start for start, name in enumerate(simulation.starts)}
    errors = [abs(starts[name] - position) for name, position in simulation.reported_positions]
    assert len(errors) > 100
    assert max(errors) <= 6
    assert mean(error == 0 for error in errors) > 0.7


def test_the_lead_of_a_user_is_larger_than_a_job() -> None:
    """With a smaller lead, a newcomer could not start before a user who always has jobs."""
    assert MAX_LEAD > 10 * ALONE


async def test_a_whole_bot_serves_users_in_turn(harness: BotHarness, engine: FakeEngine) -> None:
    """A role limit allows Ada twelve jobs; eight are running when twelve users submit one each.

    Seven of those start at once, and all of them before Ada's ninth.
    """
    manager = harness.discord.person("Boss", admin=True)
    role = harness.discord.add_role("Painters")
    harness.ada.give(role)
    await harness.refusal(await manager.slash("admin limits", role=role, waiting=12))
    engine.gate.clear()
    ada_jobs = [await harness.ada.slash("imagine", prompt=f"ada {n}", count=1) for n in range(12)]
    await harness.discord.until(
        lambda: len(engine.paints) == 8, why="eight jobs of Ada are running"
    )
    for interaction in ada_jobs:
        await interaction.acknowledged()
    others = [harness.discord.person(f"Person {n}") for n in range(12)]
    other_jobs = [await person.slash("imagine", prompt="theirs", count=1) for person in others]
    await harness.discord.until(
        lambda: len(engine.paints) == 15, why="seven other jobs are running"
    )
    queued = "SELECT 1 FROM jobs WHERE status = 'queued'"
    await eventually(lambda: len(harness.query(queued)) == 9)
    engine.gate.set()
    for interaction in [*ada_jobs, *other_jobs]:
        await harness.result(interaction)
    order = [paint.recipes[0].prompt for paint in engine.paints]
    assert order[:8] == [f"ada {n}" for n in range(8)]
    assert order[8:20] == ["theirs"] * 12
    assert len({paint.owner for paint in engine.paints[8:20]}) == 12
    assert order[20:] == [f"ada {n}" for n in range(8, 12)]
    assert len({paint.owner for paint in engine.paints}) == 13
