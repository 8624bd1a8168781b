"""Usage records, and the cost of queries in a large database."""

import re
import sqlite3
from pathlib import Path

from bot.db import rows
from bot.db.database import Database
from bot.db.tables import insert_sql
from bot.db.usage import UsageRecord
from bot.domain.clock import DAY
from bot.domain.cost_model import Sample
from bot.domain.job import Status
from bot.domain.quota import Usage
from tests.samples import job, picture, usage_record


def charge(of: str = "j1", **changes: object) -> UsageRecord:
    """A usage record of user 1 at 1,000 seconds."""
    return usage_record(of, **{"created_at": 1000.0, **changes})


async def test_an_attempt_is_recorded_once(db: Database) -> None:
    """Each attempt of a job has a record of its own."""
    charges = db.usage
    await charges.add(charge())
    await charges.add(charge(seconds=9.0))
    await charges.add(charge(attempt=2, created_at=1001.0))
    await charges.add(charge("j2", user_id=2))
    assert await charges.for_user(1, now=1002.0) == [Usage(1000.0, 3.0), Usage(1001.0, 3.0)]


async def test_records_older_than_a_day_expire(db: Database) -> None:
    """They stop counting at once and are deleted by `expire_all`."""
    charges = db.usage
    await charges.add(charge())
    assert len(await charges.for_user(1, now=1000.0 + DAY - 1)) == 1
    assert await charges.for_user(1, now=1000.0 + DAY) == []
    await charges.add(charge("j2", created_at=1000.0 + DAY))
    assert len(await db._connection.fetch_all("SELECT 1 FROM usage")) == 2
    await db.erasure.expire_all(now=1000.0 + DAY)
    [record_row] = await db._connection.fetch_all("SELECT at FROM usage")
    assert record_row["at"] == 1000.0 + DAY


async def test_records_of_the_future_become_new(db: Database) -> None:
    """They were written while the clock was ahead, and count for one day from now on."""
    charges = db.usage
    await charges.add(charge(created_at=1000.0 + 365 * DAY))
    await db.erasure.expire_all(now=1000.0)
    assert await charges.for_user(1, now=1001.0) == [Usage(1000.0, 3.0)]
    assert await charges.for_user(1, now=1000.0 + DAY) == []


async def test_records_of_the_future_do_not_count(db: Database) -> None:
    """A clock that was a year ahead does not block users for a year."""
    charges = db.usage
    await charges.add(charge(created_at=1000.0 + 365 * DAY))
    await charges.add(charge("j2"))
    assert await charges.for_user(1, now=1001.0) == [Usage(1000.0, 3.0)]


async def test_cost_samples_are_of_one_model(db: Database) -> None:
    """They are the newest fifty records of completed jobs."""
    charges = db.usage
    for n in range(60):
        await charges.add(charge(f"j{n}", created_at=1000.0 + n, seconds=float(n)))
    await charges.add(charge("stopped", created_at=2000.0, work=None))
    await charges.add(charge("other", created_at=2000.0, revision="s"))
    samples = await charges.cost_samples("r")
    assert samples == [Sample(4096, 100.0, float(n), "r") for n in range(59, 9, -1)]


async def test_pictures_and_usage_are_stored_together(db: Database) -> None:
    """The usage of a superseded attempt is not charged."""
    await db.jobs.add(job())
    await db.jobs.mark_queued("j1", job().recipes)
    await db.jobs.claim("j1", now=1.0)
    assert not await db.jobs.complete("j1", 2, [picture()], 2.0, charge(attempt=2))
    assert await db.usage.for_user(1, now=1000.0) == []
    assert await db.jobs.complete("j1", 1, [picture()], 2.0, charge())
    assert len(await db.usage.for_user(1, now=1000.0)) == 1


def add_long_history(path: Path) -> None:
    """Add ten thousand delivered jobs of ten users, and thirty queued ones."""
    connection = sqlite3.connect(path)
    for n in range(10_030):
        columns = rows.from_job(job(f"j{n}", user_id=n % 10))
        columns |= (
            {"status": "done", "started_at": float(n), "ended_at": float(n), "delivered_at": 1e6}
            if n < 10_000
            else {"status": "queued"}
        )
        connection.execute(insert_sql("jobs", columns), columns)
    connection.commit()
    connection.close()


async def test_scheduling_queries_use_indexes(db: Database, tmp_path: Path) -> None:
    """No query scans all jobs."""
    add_long_history(tmp_path / "imagine.db")
    statements: list[str] = []
    connection = db._connection.raw
    await connection.set_trace_callback(statements.append)
    assert len(await db.jobs.queued()) == 30
    assert len(await db.jobs.last_started()) == 10
    assert (await db.jobs.queue_depth(1)).total == 30
    assert len(await db.jobs.unfinished(1)) == 3
    assert await db.jobs.accepted() == []
    await db.jobs.recover()
    await db.usage.for_user(1, now=1.0)
    await db.usage.cost_samples("r")
    await db.usage.add(charge())
    await connection.set_trace_callback(None)  # type: ignore[arg-type] # it may be None
    queries = [sql for sql in statements if re.match("SELECT|UPDATE|DELETE", sql)]
    assert len(queries) == 9
    for sql in queries:
        plan = [
            row["detail"] for row in await db._connection.fetch_all(f"EXPLAIN QUERY PLAN {sql}")
        ]
        walks = [step for step in plan if step.startswith("SCAN") and "jobs_unfinished" not in step]
        assert [step for step in walks if "waiting" not in step] == [], (sql, plan)


async def test_scheduling_queries_take_constant_time(db: Database, tmp_path: Path) -> None:
    """The time is measured in steps of SQLite's virtual machine."""

    async def steps() -> int:
        count = 0

        def step() -> int:
            nonlocal count
            count += 1
            return 0

        connection = db._connection.raw
        await connection.set_progress_handler(step, 1)
        await db.jobs.last_started()
        await db.jobs.queue_depth(1)
        await db.jobs.queued()
        await connection.set_progress_handler(None, 0)  # type: ignore[arg-type]
        return count

    for n in range(30):
        await db.jobs.add(job(f"w{n}", user_id=n % 10))
        await db.jobs.mark_queued(f"w{n}", job().recipes)
    before = await steps()
    add_long_history(tmp_path / "imagine.db")
    for n in range(30):
        await db.jobs.finish_without_pictures(f"w{n}", Status.CANCELLED, 1.0)
    assert await steps() < 1.5 * before
