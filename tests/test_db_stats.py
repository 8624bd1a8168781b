"""How the jobs are doing, in numbers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.db import migrations
from bot.db.database import Database
from bot.db.stats import PeriodStats, QueueStats
from bot.domain.job import JobTimings, Status
from tests.samples import job, picture

heard: list[JobTimings] = []


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty record, which tells what it records."""
    heard.clear()
    migrations.migrate(tmp_path / "imagine.db")
    async with Database(tmp_path / "imagine.db", heard.append) as db:
        yield db


async def started(db: Database, name: str, created: float, at: float) -> None:
    """A job that is being painted."""
    await db.jobs.add(job(name, created_at=created))
    await db.jobs.mark_queued(name, job().recipes)
    assert await db.jobs.claim(name, now=at)


async def done(db: Database, name: str, created: float, ended: float, seen: float) -> None:
    """A job whose picture somebody has."""
    await started(db, name, created, created + 1)
    attempt = await db.jobs.job(name)
    assert attempt and await db.jobs.complete(name, attempt.attempt, [picture(name)], ended)
    await db.jobs.mark_delivered(name, now=seen)


async def test_an_empty_record_has_figures(db: Database) -> None:
    """Noughts, and no median."""
    figures = db.stats
    assert await figures.queue() == QueueStats(waiting=0, running=0, undelivered=0, oldest_at=None)
    assert await figures.since(0.0) == PeriodStats(endings={}, median_seconds=None)


async def test_the_queue_is_what_waits(db: Database) -> None:
    """For a sketch or for a turn; the oldest is the one that was asked for first."""
    await started(db, "running", 10.0, 11.0)
    await db.jobs.add(job("accepted", created_at=30.0))
    await db.jobs.add(job("queued", created_at=20.0))
    await db.jobs.mark_queued("queued", job().recipes)
    await db.jobs.add(job("ended", created_at=5.0))
    await db.jobs.finish_without_pictures("ended", Status.FAILED, 40.0, reason="x")
    found = await db.stats.queue()
    assert found == QueueStats(waiting=2, running=1, undelivered=1, oldest_at=20.0)


async def test_a_job_that_waits_again_is_as_old_as_it_is(db: Database) -> None:
    """Its age counts from the request."""
    await started(db, "again", 10.0, 50.0)
    await db.jobs.requeue("again", 1, crashed=True)
    assert (await db.stats.queue()).oldest_at == 10.0


@pytest.mark.parametrize(("takes", "median"), [([3.0], 3.0), ([9, 1, 2], 2.0), ([1, 2, 4, 9], 3.0)])
async def test_the_median_is_of_pictures_that_were_seen(
    db: Database, takes: list[float], median: float
) -> None:
    """From the request to their being shown."""
    for nth, seconds in enumerate(takes):
        await done(db, f"j{nth}", 100.0, 100.5, 100.0 + seconds)
    await started(db, "unseen", 0.0, 1.0)
    await db.jobs.complete("unseen", 1, [picture("unseen")], 101.0)
    assert (await db.stats.since(0.0)).median_seconds == median


async def test_a_spell_has_its_endings_only(db: Database) -> None:
    """What ended before it counts no more."""
    await done(db, "old", 10.0, 12.0, 13.0)
    await done(db, "new", 100.0, 102.0, 104.0)
    for name, status in (("a", Status.FAILED), ("b", Status.CANCELLED), ("c", Status.CANCELLED)):
        await db.jobs.add(job(name, created_at=100.0))
        reason = "x" if status is Status.FAILED else None
        await db.jobs.finish_without_pictures(name, status, 101.0, reason=reason)
    assert await db.stats.since(100.0) == PeriodStats(
        endings={Status.DONE: 1, Status.FAILED: 1, Status.CANCELLED: 2}, median_seconds=4.0
    )


async def test_a_spell_is_counted_by_an_index(db: Database) -> None:
    """A record of years is not read for a day."""
    plan = await db._connection.fetch_all(
        "EXPLAIN QUERY PLAN SELECT status, count(*) FROM jobs WHERE ended_at >= 5 GROUP BY status"
    )
    assert "jobs_ended" in str([row["detail"] for row in plan])


async def test_each_ending_is_told_once(db: Database) -> None:
    """And once more when it was seen; what changed nothing is not told."""
    await done(db, "j1", 100.0, 103.0, 107.0)
    await db.jobs.mark_delivered("j1", now=108.0)
    assert not await db.jobs.finish_without_pictures("j1", Status.FAILED, 109.0, reason="x")
    assert not await db.jobs.complete("j1", 1, [], 109.0)
    ended, seen = heard
    assert (ended.status, ended.picture_count, ended.delivered_at) == (Status.DONE, 4, None)
    assert (seen.queue_seconds, seen.run_seconds, seen.delivery_seconds) == (1.0, 2.0, 4.0)
    await db.jobs.add(job("j2", created_at=100.0))
    await db.jobs.finish_without_pictures("j2", Status.CANCELLED, 102.0)
    assert (heard[-1].queue_seconds, heard[-1].run_seconds, heard[-1].delivery_seconds) == (
        2.0,
        None,
        None,
    )


async def test_a_clock_that_goes_back_makes_no_time_negative(db: Database) -> None:
    """Nothing takes less than nothing."""
    await done(db, "j1", 100.0, 50.0, 20.0)
    assert (heard[-1].queue_seconds, heard[-1].run_seconds, heard[-1].delivery_seconds) == (
        1.0,
        0.0,
        0.0,
    )
