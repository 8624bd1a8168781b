"""Whose job is next."""

from hypothesis import given
from hypothesis import strategies as st

from bot import backlog
from bot.jobs import Job
from tests.samples import job


def names(jobs: list[Job]) -> list[str]:
    """Their ids, in order."""
    return [job.id for job in jobs]


def test_one_persons_jobs_keep_their_order() -> None:
    """Nobody overtakes themselves."""
    waiting = [job("b", created_at=2.0), job("a", created_at=1.0), job("c", created_at=3.0)]
    assert names(backlog.order(waiting, {})) == ["a", "b", "c"]


def test_a_burst_of_one_person_does_not_block_another() -> None:
    """Ada asks three times, then Ben once: Ben is second."""
    waiting = [job(f"ada{n}", person=1, created_at=n) for n in range(3)]
    waiting.append(job("ben", person=2, created_at=9.0))
    assert names(backlog.order(waiting, {})) == ["ada0", "ben", "ada1", "ada2"]


def test_the_least_recently_served_person_goes_first() -> None:
    """Who was served longest ago is next, though another asked earlier."""
    waiting = [job("ada", person=1, created_at=1.0), job("ben", person=2, created_at=2.0)]
    assert names(backlog.order(waiting, {1: 50.0, 2: 40.0})) == ["ben", "ada"]


def test_a_newcomer_goes_before_those_who_were_served() -> None:
    """Never served counts as served longest ago."""
    waiting = [job("ada", person=1, created_at=1.0), job("ben", person=2, created_at=2.0)]
    assert names(backlog.order(waiting, {1: 50.0})) == ["ben", "ada"]


@given(st.lists(st.tuples(st.integers(1, 4), st.floats(0, 1000)), max_size=12))
def test_nobody_waits_for_two_jobs_of_another_in_a_row(asked: list[tuple[int, float]]) -> None:
    """Between two jobs of one person, everybody who waits is served."""
    waiting = [job(f"j{n}", person=p, created_at=at) for n, (p, at) in enumerate(asked)]
    ordered = backlog.order(waiting, {})
    assert sorted(names(ordered)) == sorted(names(waiting))
    for first, earlier in enumerate(ordered):
        for later in range(first + 1, len(ordered)):
            if ordered[later].person == earlier.person:
                between = {one.person for one in ordered[first:later]}
                after = {one.person for one in ordered[later:]}
                assert after <= between
                break
