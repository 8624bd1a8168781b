"""The order of queued jobs."""

import math
from collections.abc import Mapping, Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from bot.domain import cost_model, fair_queue
from bot.domain.fair_queue import MAX_LEAD, VirtualTimes
from bot.domain.job import Job
from bot.domain.limits import Limits, WaitEstimate
from bot.services.scheduler import Schedule
from tests.samples import job, recipe

NOTHING = VirtualTimes()
Request = tuple[int, float, int]
"""A person, a time, and steps, which is what a job costs here."""
REQUESTS = st.lists(
    st.tuples(st.integers(1, 5), st.floats(0, 1000), st.integers(1, 150)), max_size=20
)
VIRTUAL_TIMES = st.dictionaries(st.integers(1, 5), st.floats(0, 200))


def names(jobs: Sequence[Job]) -> list[str]:
    """The ids of the jobs, in order."""
    return [job.id for job in jobs]


def cost(job: Job) -> float:
    """A second for each step."""
    return float(job.recipes[0].steps)


def order(
    queued: Sequence[Job],
    virtual_times: Mapping[int, float] | None = None,
    last_started: Mapping[int, float] | None = None,
    running: Sequence[Job] = (),
) -> list[Job]:
    """The order of these jobs; by default no user has used the engine."""
    return fair_queue.order(
        queued, running, VirtualTimes(0.0, virtual_times or {}), last_started or {}, cost
    )


def queued_job(name: str, user_id: int, at: float, steps: int = 4) -> Job:
    """A job that costs so many seconds."""
    return job(name, user_id=user_id, created_at=at, recipes=(recipe(steps=steps),))


def jobs_of(requests: Sequence[Request]) -> list[Job]:
    """The jobs of these requests."""
    return [queued_job(f"j{n:02}", *request) for n, request in enumerate(requests)]


def jobs_before(job: Job, ordered: Sequence[Job]) -> list[Job]:
    """The jobs before this one."""
    return list(ordered[: names(ordered).index(job.id)])


def test_jobs_of_one_user_keep_their_order() -> None:
    """The oldest job comes first."""
    queued = [queued_job("b", 1, 2.0), queued_job("a", 1, 1.0), queued_job("c", 1, 3.0)]
    assert names(order(queued)) == ["a", "b", "c"]


def test_a_burst_does_not_block_another_user() -> None:
    """Ada submits three jobs, then Ben one; Ben's job is second."""
    queued = [queued_job(f"ada{n}", 1, n) for n in range(3)]
    assert names(order([*queued, queued_job("ben", 2, 9.0)])) == ["ada0", "ben", "ada1", "ada2"]


def test_users_are_compared_by_engine_seconds() -> None:
    """Ben runs ten small jobs for each large one of Ada's."""
    large = [queued_job(f"ada{n}", 1, 0.0, steps=100) for n in range(2)]
    small = [queued_job(f"ben{n:02}", 2, 1.0, steps=10) for n in range(12)]
    assert names(order([*large, *small])) == [
        "ada0",
        *(f"ben{n:02}" for n in range(10)),
        "ada1",
        "ben10",
        "ben11",
    ]


def test_running_jobs_count_as_used() -> None:
    """A user with a running job comes after a user without one."""
    queued = [queued_job("ada", 1, 1.0), queued_job("ben", 2, 2.0)]
    assert names(order(queued, running=[queued_job("x", 1, 0.0)])) == ["ben", "ada"]


def test_ties_go_to_the_user_who_waits_longest() -> None:
    """Among jobs of one user, the oldest comes first."""
    queued = [queued_job("ada", 1, 1.0), queued_job("ben", 2, 2.0), queued_job("cy", 3, 3.0)]
    assert names(order(queued, last_started={1: 50.0, 2: 40.0, 3: 40.0})) == ["ben", "cy", "ada"]


@given(REQUESTS, VIRTUAL_TIMES)
def test_the_order_contains_each_job_once(
    requests: list[Request], virtual_times: dict[int, float]
) -> None:
    """The jobs of each user are in order of age, whatever the virtual times are."""
    queued = jobs_of(requests)
    ordered = order(queued, virtual_times)
    assert sorted(names(ordered)) == sorted(names(queued))
    for user_id in {queued_entry.user_id for queued_entry in queued}:
        own = [(job.created_at, job.id) for job in ordered if job.user_id == user_id]
        assert own == sorted(own)


@given(REQUESTS, VIRTUAL_TIMES, st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_of_the_input(
    requests: list[Request], virtual_times: dict[int, float], shuffler: Random
) -> None:
    """It depends on the jobs and the virtual times only."""
    queued = jobs_of(requests)
    shuffled = list(queued)
    shuffler.shuffle(shuffled)
    assert names(order(shuffled, virtual_times)) == names(order(queued, virtual_times))


@given(REQUESTS, VIRTUAL_TIMES, st.integers(1, 5))
def test_a_newcomer_delays_others_by_a_fair_share_only(
    requests: list[Request], virtual_times: dict[int, float], user_id: int
) -> None:
    """The others keep their order, and the newcomer's jobs delay them by a bounded time.

    No job waits for more seconds of the newcomer than its own user has before it, plus one job.
    """
    queued = jobs_of(requests)
    with_them = order(queued, virtual_times)
    without = order([job for job in queued if job.user_id != user_id], virtual_times)
    assert [name for name in names(with_them) if name in names(without)] == names(without)
    for queued_entry in without:
        before = jobs_before(queued_entry, with_them)
        newcomer_jobs = [job for job in before if job.user_id == user_id]
        own = sum(cost(job) for job in before if job.user_id == queued_entry.user_id)
        share = own + virtual_times.get(queued_entry.user_id, 0.0) - virtual_times.get(user_id, 0.0)
        assert sum(map(cost, newcomer_jobs[:-1])) <= max(0.0, share) + 1e-6


@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.integers(1, 5)), min_size=1, max_size=60),
)
def test_virtual_times_stay_near_the_floor(
    history: list[tuple[float, int]],
) -> None:
    """They lie between the floor and MAX_LEAD plus the cost of one job above it."""
    times = NOTHING
    for seconds, user_id in history:
        active = {user_id, 1, 2}
        times = fair_queue.sync_active(times, active)
        after = fair_queue.charge(times, user_id, seconds, active)
        assert after.system > times.system
        assert after.by_user[user_id] - times.system <= MAX_LEAD + seconds + 1e-6
        times = fair_queue.sync_active(after, active)


def rounds_until_served(virtual_times: float, others: int, seconds: int) -> int:
    """How many jobs of newcomers go before the job of a user with this virtual time."""
    times = VirtualTimes(0.0, {0: virtual_times})
    queued = [queued_job("wait", 0, 0.0)]
    for turn in range(1, 100_000):
        newest = [queued_job(f"n{turn}-{n}", turn * 100 + n, 1.0, seconds) for n in range(others)]
        requests = [*queued, *newest]
        active = {job.user_id for job in requests}
        times = fair_queue.sync_active(times, active)
        first = fair_queue.order(requests, (), times, {}, cost)[0]
        if first.user_id == 0:
            return turn
        times = fair_queue.charge(times, first.user_id, cost(first), active)
    raise AssertionError("starved")


@given(st.floats(0, 240), st.integers(1, 20), st.integers(1, 150))
def test_newcomers_starve_no_user(virtual_times: float, others: int, seconds: int) -> None:
    """Each job of a newcomer raises the floor at which newcomers start."""
    bound = 3 * virtual_times * (others + 2) / seconds + 2
    assert rounds_until_served(virtual_times, others, seconds) <= math.ceil(bound)


def test_the_lead_over_newcomers_is_bounded() -> None:
    """A user who was alone for a long time comes after newcomers, at most MAX_LEAD behind them."""
    times = NOTHING
    for _ in range(1000):
        times = fair_queue.charge(fair_queue.sync_active(times, {1}), 1, 5.0, {1})
    assert times.by_user[1] - times.system == MAX_LEAD
    both = fair_queue.sync_active(times, {1, 2})
    assert both.by_user[2] == times.system
    later = VirtualTimes(times.by_user[1] + 1.0, times.by_user)
    assert fair_queue.sync_active(later, {2}).by_user == {2: later.system}


def test_leaving_does_not_reset_the_virtual_time() -> None:
    """A user who cancels all jobs and comes back has the same virtual time."""
    times = VirtualTimes(0.0, {1: 50.0, 2: 10.0})
    after_leaving = fair_queue.sync_active(times, {2})
    assert fair_queue.sync_active(after_leaving, {1, 2}).by_user == {1: 50.0, 2: 10.0}


def test_until_first_adds_running_and_earlier_jobs() -> None:
    """It adds all running jobs and those of the queue up to the user's first one."""
    running = [queued_job("a", 1, 0.0, 10), queued_job("b", 2, 0.0, 20)]
    queue = [queued_job("c", 3, 1.0, 30), queued_job("d", 4, 1.0, 40), queued_job("e", 3, 1.0, 50)]
    assert fair_queue.until_first(1, queue, running, cost) == 30
    assert fair_queue.until_first(4, queue, running, cost) == 100
    assert fair_queue.until_first(9, queue, running, cost) == 150


def test_a_job_runs_on_one_of_the_replicas() -> None:
    """They share the jobs before it, but it takes its own time."""
    running = [queued_job("a", 1, 0.0, 10), queued_job("b", 2, 0.0, 20)]
    queue = [queued_job("c", 3, 1.0, 30)]
    assert fair_queue.until_first(3, queue, running, cost, replicas=2) == 15 + 30
    assert fair_queue.until_first(1, queue, running, cost, replicas=2) == 10 + 10
    assert fair_queue.until_first(9, [], [], cost, replicas=2) == 0


def test_a_new_job_is_expected_to_end_before_the_queue_of_others() -> None:
    """The jobs that start before it count, and its own time, but none that start after it."""
    schedule = Schedule(Limits())
    first = queued_job("a", 1, at=1.0)
    recipes = first.recipes
    schedule.samples = [cost_model.Sample(cost_model.pixels(recipes), cost_model.work(recipes), 60)]
    schedule.start(first)
    queued = [queued_job(f"a{n}", 1, at=2.0 + n) for n in range(50)]
    new = queued_job("b", 2, at=100.0, steps=8)
    assert math.isclose(schedule.estimate_end(new, queued, {}, batches=1), 60 + 120)
    last = queued_job("c", 1, at=100.0)
    assert math.isclose(schedule.estimate_end(last, queued, {}, batches=2), 52 * 60 / 2)
    two = schedule.estimate_end(last, queued, {}, batches=1, replicas=2)
    assert math.isclose(two, 51 * 60 / 2 + 60)
    assert schedule.estimate_wait(1, queued, batches=1) == WaitEstimate(60, 51 * 60)
    assert schedule.estimate_wait(1, queued, batches=2, replicas=2) == WaitEstimate(30, 51 * 60 / 4)
    assert schedule.estimate_wait(1, [], batches=1, replicas=2) == WaitEstimate(60, 60)
