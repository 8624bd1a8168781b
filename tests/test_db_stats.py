"""Statistics of jobs: queue, durations and endings."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.db.database import Database
from bot.db.stats import PeriodStats, QueueStats
from bot.domain.job import JobTimings, Status
from tests.new_database import create_database
from tests.samples import job, picture


@pytest.fixture
def transitions() -> list[JobTimings]:
    """The endings and deliveries that the database has reported."""
    return []


@pytest.fixture
async def db(tmp_path: Path, transitions: list[JobTimings]) -> AsyncIterator[Database]:
    """An empty database whose transitions are collected."""
    async with Database(create_database(tmp_path), transitions.append) as db:
        yield db


async def start(db: Database, name: str, created: float, at: float) -> None:
    """Add, queue and claim a job."""
    await db.jobs.add(job(name, created_at=created))
    await db.jobs.mark_queued(name, job().recipes)
    assert await db.jobs.claim(name, now=at)


async def deliver(db: Database, name: str, created: float, ended: float, delivered: float) -> None:
    """Run a job to its delivery."""
    await start(db, name, created, created + 1)
    attempt = await db.jobs.job(name)
    assert attempt and await db.jobs.complete(name, attempt.attempt, [picture(name)], ended)
    await db.jobs.mark_delivered(name, now=delivered)


async def test_an_empty_database_has_stats(db: Database) -> None:
    """All counts are zero, and there is no median."""
    stats = db.stats
    assert await stats.queue() == QueueStats(waiting=0, running=0, undelivered=0, oldest_at=None)
    assert await stats.since(0.0) == PeriodStats(endings={}, median_seconds=None)


async def test_waiting_jobs_are_accepted_or_queued(db: Database) -> None:
    """The age is that of the job that was created first."""
    await start(db, "running", 10.0, 11.0)
    await db.jobs.add(job("accepted", created_at=30.0))
    await db.jobs.add(job("queued", created_at=20.0))
    await db.jobs.mark_queued("queued", job().recipes)
    await db.jobs.add(job("ended", created_at=5.0))
    await db.jobs.finish_without_pictures("ended", Status.FAILED, 40.0, reason="x")
    stats = await db.stats.queue()
    assert stats == QueueStats(waiting=2, running=1, undelivered=1, oldest_at=20.0)


async def test_the_age_of_a_requeued_job_counts_from_the_request(db: Database) -> None:
    """The start of its last attempt does not matter."""
    await start(db, "again", 10.0, 50.0)
    await db.jobs.requeue("again", 1, crashed=True)
    assert (await db.stats.queue()).oldest_at == 10.0


@pytest.mark.parametrize(("takes", "median"), [([3.0], 3.0), ([9, 1, 2], 2.0), ([1, 2, 4, 9], 3.0)])
async def test_the_median_is_of_delivered_jobs(
    db: Database, takes: list[float], median: float
) -> None:
    """A duration is the time from the request to the delivery."""
    for nth, seconds in enumerate(takes):
        await deliver(db, f"j{nth}", 100.0, 100.5, 100.0 + seconds)
    await start(db, "unseen", 0.0, 1.0)
    await db.jobs.complete("unseen", 1, [picture("unseen")], 101.0)
    assert (await db.stats.since(0.0)).median_seconds == median


async def test_a_period_contains_its_endings_only(db: Database) -> None:
    """Jobs that ended before it do not count."""
    await deliver(db, "old", 10.0, 12.0, 13.0)
    await deliver(db, "new", 100.0, 102.0, 104.0)
    for name, status in (("a", Status.FAILED), ("b", Status.CANCELLED), ("c", Status.CANCELLED)):
        await db.jobs.add(job(name, created_at=100.0))
        reason = "x" if status is Status.FAILED else None
        await db.jobs.finish_without_pictures(name, status, 101.0, reason=reason)
    assert await db.stats.since(100.0) == PeriodStats(
        endings={Status.DONE: 1, Status.FAILED: 1, Status.CANCELLED: 2}, median_seconds=4.0
    )


async def test_a_period_is_counted_by_an_index(db: Database) -> None:
    """The query of one day does not read years of jobs."""
    plan = await db._connection.fetch_all(
        "EXPLAIN QUERY PLAN SELECT status, count(*) FROM jobs WHERE ended_at >= 5 GROUP BY status"
    )
    assert "jobs_ended" in str([row["detail"] for row in plan])


async def test_each_transition_is_reported_once(
    db: Database, transitions: list[JobTimings]
) -> None:
    """The ending and the delivery are two transitions; calls without effect report nothing."""
    await deliver(db, "j1", 100.0, 103.0, 107.0)
    await db.jobs.mark_delivered("j1", now=108.0)
    assert not await db.jobs.finish_without_pictures("j1", Status.FAILED, 109.0, reason="x")
    assert not await db.jobs.complete("j1", 1, [], 109.0)
    ended, delivered = transitions
    assert (ended.status, ended.picture_count, ended.delivered_at) == (Status.DONE, 4, None)
    assert (delivered.queue_seconds, delivered.run_seconds, delivered.delivery_seconds) == (
        1.0,
        2.0,
        4.0,
    )
    await db.jobs.add(job("j2", created_at=100.0))
    await db.jobs.finish_without_pictures("j2", Status.CANCELLED, 102.0)
    assert (
        transitions[-1].queue_seconds,
        transitions[-1].run_seconds,
        transitions[-1].delivery_seconds,
    ) == (
        2.0,
        None,
        None,
    )


async def test_durations_are_never_negative(db: Database, transitions: list[JobTimings]) -> None:
    """They are zero if the clock was set back."""
    await deliver(db, "j1", 100.0, 50.0, 20.0)
    assert (
        transitions[-1].queue_seconds,
        transitions[-1].run_seconds,
        transitions[-1].delivery_seconds,
    ) == (
        1.0,
        0.0,
        0.0,
    )
