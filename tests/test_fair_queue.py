"""Whose job is next."""

import math
from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from bot.domain import fair_queue
from bot.domain.fair_queue import MAX_LEAD, VirtualTimes
from bot.domain.job import Job
from tests.samples import job, recipe

NOTHING = VirtualTimes()
Asked = tuple[int, float, int]
"""A person, a time, and steps, which is what a job costs here."""
ASKED = st.lists(st.tuples(st.integers(1, 5), st.floats(0, 1000), st.integers(1, 150)), max_size=20)
HAD = st.dictionaries(st.integers(1, 5), st.floats(0, 200))


def names(jobs: Sequence[Job]) -> list[str]:
    """Their ids, in order."""
    return [job.id for job in jobs]


def cost(job: Job) -> float:
    """A second for each step."""
    return float(job.recipes[0].steps)


def order(
    waiting: Sequence[Job],
    had: Mapping[int, float] | None = None,
    served: Mapping[int, float] | None = None,
    at_engine: Sequence[Job] = (),
) -> list[Job]:
    """The order of these, by default among people who had nothing."""
    return fair_queue.order(waiting, at_engine, VirtualTimes(0.0, had or {}), served or {}, cost)


def asked(name: str, person: int, at: float, steps: int = 4) -> Job:
    """A job of so many seconds."""
    return job(name, user_id=person, created_at=at, recipes=(recipe(steps=steps),))


def jobs(crowd: Sequence[Asked]) -> list[Job]:
    """What they asked for."""
    return [asked(f"j{n:02}", *each) for n, each in enumerate(crowd)]


def ahead(job: Job, ordered: Sequence[Job]) -> list[Job]:
    """Those before it."""
    return list(ordered[: names(ordered).index(job.id)])


def test_one_persons_jobs_keep_their_order() -> None:
    """Nobody overtakes themselves."""
    waiting = [asked("b", 1, 2.0), asked("a", 1, 1.0), asked("c", 1, 3.0)]
    assert names(order(waiting)) == ["a", "b", "c"]


def test_a_burst_of_one_person_does_not_block_another() -> None:
    """Ada asks three times, then Ben once: Ben is second."""
    waiting = [asked(f"ada{n}", 1, n) for n in range(3)]
    assert names(order([*waiting, asked("ben", 2, 9.0)])) == ["ada0", "ben", "ada1", "ada2"]


def test_four_large_jobs_are_no_equal_of_four_small_ones() -> None:
    """Turns are counted in seconds: Ben has ten for each of Ada's."""
    large = [asked(f"ada{n}", 1, 0.0, steps=100) for n in range(2)]
    small = [asked(f"ben{n:02}", 2, 1.0, steps=10) for n in range(12)]
    assert names(order([*large, *small])) == [
        "ada0",
        *(f"ben{n:02}" for n in range(10)),
        "ada1",
        "ben10",
        "ben11",
    ]


def test_what_is_at_the_engine_counts_as_had() -> None:
    """Who has a job there is behind who has none."""
    waiting = [asked("ada", 1, 1.0), asked("ben", 2, 2.0)]
    assert names(order(waiting, at_engine=[asked("x", 1, 0.0)])) == ["ben", "ada"]


def test_of_equals_the_least_recently_served_person_goes_first() -> None:
    """And of those, the one whose job is older."""
    waiting = [asked("ada", 1, 1.0), asked("ben", 2, 2.0), asked("cy", 3, 3.0)]
    assert names(order(waiting, served={1: 50.0, 2: 40.0, 3: 40.0})) == ["ben", "cy", "ada"]


@given(ASKED, HAD)
def test_everybody_is_in_the_order_once_and_in_their_own_order(
    crowd: list[Asked], had: dict[int, float]
) -> None:
    """Whoever had however much."""
    waiting = jobs(crowd)
    ordered = order(waiting, had)
    assert sorted(names(ordered)) == sorted(names(waiting))
    for person in {each.user_id for each in waiting}:
        own = [(job.created_at, job.id) for job in ordered if job.user_id == person]
        assert own == sorted(own)


@given(ASKED, HAD, st.randoms(use_true_random=False))
def test_the_order_depends_on_nothing_else(
    crowd: list[Asked], had: dict[int, float], chance: st.DataObject
) -> None:
    """In whatever order the record tells of the jobs."""
    waiting = jobs(crowd)
    shuffled = list(waiting)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert names(order(shuffled, had)) == names(order(waiting, had))


@given(ASKED, HAD, st.integers(1, 5))
def test_one_more_person_delays_nobody_by_more_than_their_share(
    crowd: list[Asked], had: dict[int, float], person: int
) -> None:
    """The others keep their order; before a job of theirs go as many seconds of the newcomer as
    they had and get themselves, and not a second job beyond that."""
    waiting = jobs(crowd)
    with_them = order(waiting, had)
    without = order([job for job in waiting if job.user_id != person], had)
    assert [name for name in names(with_them) if name in names(without)] == names(without)
    for each in without:
        before = ahead(each, with_them)
        theirs = [job for job in before if job.user_id == person]
        own = sum(cost(job) for job in before if job.user_id == each.user_id)
        share = own + had.get(each.user_id, 0.0) - had.get(person, 0.0)
        assert sum(map(cost, theirs[:-1])) <= max(0.0, share) + 1e-6


@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.integers(1, 5)), min_size=1, max_size=60),
)
def test_nobody_is_ahead_of_a_newcomer_by_more_than_is_remembered(
    history: list[tuple[float, int]],
) -> None:
    """What somebody had is at most MEMORY and their last job above the floor, and never below it
    while they are here; the floor only rises."""
    shares = NOTHING
    for seconds, person in history:
        people = {person, 1, 2}
        shares = fair_queue.sync_active(shares, people)
        after = fair_queue.charge(shares, person, seconds, people)
        assert after.system > shares.system
        assert after.by_user[person] - shares.system <= MAX_LEAD + seconds + 1e-6
        shares = fair_queue.sync_active(after, people)


def rounds_until_served(had: float, others: int, seconds: int) -> int:
    """How many jobs of ever new people go before the one who waits and had so much."""
    shares = VirtualTimes(0.0, {0: had})
    waiting = [asked("wait", 0, 0.0)]
    for turn in range(1, 100_000):
        newest = [asked(f"n{turn}-{n}", turn * 100 + n, 1.0, seconds) for n in range(others)]
        crowd = [*waiting, *newest]
        people = {job.user_id for job in crowd}
        shares = fair_queue.sync_active(shares, people)
        first = fair_queue.order(crowd, (), shares, {}, cost)[0]
        if first.user_id == 0:
            return turn
        shares = fair_queue.charge(shares, first.user_id, cost(first), people)
    raise AssertionError("starved")


@given(st.floats(0, 240), st.integers(1, 20), st.integers(1, 150))
def test_an_endless_stream_of_newcomers_starves_nobody(
    had: float, others: int, seconds: int
) -> None:
    """However much somebody had: each job of another lifts the floor from which newcomers start,
    by a third of its seconds among all who are there and one."""
    bound = 3 * had * (others + 2) / seconds + 2
    assert rounds_until_served(had, others, seconds) <= math.ceil(bound)  # rounds are whole


def test_who_was_away_goes_before_who_was_not_and_all_is_forgotten_in_time() -> None:
    """Somebody alone has had more than a newcomer, but never by more than MEMORY."""
    shares = NOTHING
    for _ in range(1000):
        shares = fair_queue.charge(fair_queue.sync_active(shares, {1}), 1, 5.0, {1})
    assert shares.by_user[1] - shares.system == MAX_LEAD
    both = fair_queue.sync_active(shares, {1, 2})
    assert both.by_user[2] == shares.system
    later = VirtualTimes(shares.by_user[1] + 1.0, shares.by_user)
    assert fair_queue.sync_active(later, {2}).by_user == {2: later.system}


def test_a_debt_is_not_lost_by_going_away() -> None:
    """Who had much, cancels all and asks anew is where they were."""
    shares = VirtualTimes(0.0, {1: 50.0, 2: 10.0})
    gone = fair_queue.sync_active(shares, {2})
    assert fair_queue.sync_active(gone, {1, 2}).by_user == {1: 50.0, 2: 10.0}


def test_how_long_it_takes_until_the_first_is_done() -> None:
    """All that is painted now, and what is before it in the line."""
    painting = [asked("a", 1, 0.0, 10), asked("b", 2, 0.0, 20)]
    line = [asked("c", 3, 1.0, 30), asked("d", 4, 1.0, 40), asked("e", 3, 1.0, 50)]
    assert fair_queue.until_first(1, line, painting, cost) == 30
    assert fair_queue.until_first(4, line, painting, cost) == 100
    assert fair_queue.until_first(9, line, painting, cost) == 150
