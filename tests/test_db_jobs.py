"""The record."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.db import migrations
from bot.db.database import Database
from bot.domain.job import JobKind, ResponseTarget, Sketch, Status
from bot.domain.limits import QueueDepth
from engine.contract import Verdict
from tests.samples import job, picture, recipe

FLAGGED = (Verdict(checker="model", score=0.9, flagged=True),)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty record."""
    migrations.migrate(tmp_path / "imagine.db")
    async with Database(tmp_path / "imagine.db") as db:
        yield db


async def running(db: Database, name: str = "j1") -> None:
    """A job that is at the engine for the first time."""
    await db.jobs.add(job(name))
    await db.jobs.mark_queued(name, job().recipes)
    assert await db.jobs.claim(name, now=1.0)


async def test_a_job_comes_back_as_it_went_in(db: Database) -> None:
    """Every value, also the rare ones."""
    full = job(
        kind=JobKind.VARIATION,
        target=ResponseTarget(
            channel_id=2**62,
            guild_id=3,
            message_id=4,
            application_id=5,
            token="t",  # noqa: S106
            reply_to_id=6,
        ),
        parents=("p-1", "p-2"),
        sketch=Sketch(url="https://a/b", strength=0.5, keep_size=True),
        recipes=(recipe(prompt="'; DROP TABLE jobs; --", adapters=("x",)),),
        max_concurrent=7,
    )
    assert await db.jobs.add(full)
    assert await db.jobs.job(full.id) == full


async def test_the_same_request_is_one_job(db: Database) -> None:
    """A replayed interaction adds nothing."""
    assert await db.jobs.add(job("j1", idempotency_key="interaction:5"))
    assert not await db.jobs.add(job("j2", idempotency_key="interaction:5"))
    assert await db.jobs.job("j2") is None


async def test_a_request_that_is_taken_back_may_come_again(db: Database) -> None:
    """As a reaction that is removed and added."""
    await db.jobs.add(job("j1", idempotency_key="reaction:5"))
    await db.jobs.free_key("reaction:5")
    assert await db.jobs.add(job("j2", idempotency_key="reaction:5"))


async def test_only_one_claims_a_job(db: Database) -> None:
    """Of two at the same time, one gets it."""
    await db.jobs.add(job())
    await db.jobs.mark_queued("j1", job().recipes)
    claims = await asyncio.gather(*(db.jobs.claim("j1", now=1.0) for _ in range(5)))
    assert [claim.attempt for claim in claims if claim] == [1]


async def test_a_claim_leaves_the_database_to_others(db: Database, tmp_path: Path) -> None:
    """No lock is held when it returns."""
    await running(db)
    other = sqlite3.connect(tmp_path / "imagine.db", timeout=0)
    other.execute("UPDATE jobs SET crashes = 0")
    other.rollback()
    other.close()


async def test_only_a_queued_job_is_claimed(db: Database) -> None:
    """One without its sketch is not complete."""
    await db.jobs.add(job())
    assert await db.jobs.claim("j1", now=1.0) is None


async def test_an_old_attempt_changes_nothing(db: Database) -> None:
    """What comes late from the first attempt is ignored during the second."""
    await running(db)
    await db.jobs.requeue("j1", 1, crashed=True)
    second = await db.jobs.claim("j1", now=2.0)
    assert second is not None
    assert (second.attempt, second.crashes) == (2, 1)
    assert not await db.jobs.complete("j1", 1, [picture()], 3.0)
    assert not await db.jobs.requeue("j1", 1, crashed=True)
    assert await db.jobs.pictures("j1") == []
    assert await db.jobs.complete("j1", 2, [picture()], 3.0)


async def test_pictures_and_status_come_together(db: Database) -> None:
    """A picture that cannot be recorded leaves the job unfinished."""
    await running(db)
    with pytest.raises(sqlite3.IntegrityError):
        await db.jobs.complete("j1", 1, [picture(), picture()], 3.0)
    unfinished = await db.jobs.job("j1")
    assert unfinished is not None and unfinished.status is Status.RUNNING
    assert await db.jobs.pictures("j1") == []


async def test_a_picture_comes_back_as_it_went_in(db: Database) -> None:
    """With a whole recipe."""
    await running(db)
    rare = recipe(
        seed=2**32 - 1,
        subseed=5,
        subseed_strength=0.15,
        source="b" * 64,
        strength=0.3,
        negative="rain",
        adapters=("x", "y"),
    )
    pictures = [picture(recipe=rare), picture(nth=2, path=None, is_withheld=True)]
    pictures.append(picture(nth=3, path=None, sha256=None, failure_reason="Too bright."))
    verdicts = (
        Verdict(checker="model", score=0.25, flagged=False),
        Verdict(checker="a/b", score=0.75, flagged=True),
    )
    pictures.append(picture(nth=4, is_flagged_but_kept=True, verdicts=verdicts))
    await db.jobs.complete("j1", 1, pictures, 3.0)
    assert await db.jobs.pictures("j1") == pictures
    assert await db.jobs.picture("j1-2") == pictures[1]
    assert await db.jobs.picture("j1-5") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"is_flagged_but_kept": True},
        {"is_flagged_but_kept": True, "verdicts": FLAGGED, "path": None},
        {"is_flagged_but_kept": True, "verdicts": FLAGGED, "is_withheld": True},
        {"is_flagged_but_kept": True, "verdicts": FLAGGED, "is_withheld": True, "path": None},
        {
            "is_flagged_but_kept": True,
            "verdicts": FLAGGED,
            "path": None,
            "sha256": None,
            "failure_reason": "Why.",
        },
        {"is_withheld": True, "verdicts": FLAGGED},
        {"path": None, "verdicts": FLAGGED},
    ],
)
async def test_a_picture_is_blocked_or_restricted_or_neither(
    db: Database, changes: dict[str, Any]
) -> None:
    """What is blocked has no file, what is restricted has one and a verdict; the record takes
    nothing in between."""
    await running(db)
    with pytest.raises(sqlite3.IntegrityError):
        await db.jobs.complete("j1", 1, [picture(**changes)], 3.0)


async def test_what_may_be_revealed_is_remembered(db: Database) -> None:
    """It was decided when the job was accepted."""
    await db.jobs.add(job("j1", include_flagged=True))
    await db.jobs.add(job("j2"))
    found = [await db.jobs.job(name) for name in ("j1", "j2")]
    assert [one.include_flagged for one in found if one] == [True, False]


async def test_a_job_ends_once(db: Database) -> None:
    """The first ending counts."""
    await running(db)
    assert await db.jobs.finish_without_pictures("j1", Status.CANCELLED, 2.0)
    assert not await db.jobs.finish_without_pictures("j1", Status.FAILED, 3.0, reason="Too late.")
    assert not await db.jobs.complete("j1", 1, [picture()], 3.0)
    ended = await db.jobs.job("j1")
    assert ended is not None and ended.status is Status.CANCELLED


async def test_a_token_is_kept_until_the_delivery_only(db: Database) -> None:
    """Then it is gone from the record."""
    await db.jobs.add(job(target=ResponseTarget(channel_id=1, token="secret")))  # noqa: S106
    await db.jobs.mark_delivered("j1", now=1.0)
    before = await db.jobs.job("j1")
    assert before is not None and before.target.token == "secret"  # noqa: S105
    await db.jobs.finish_without_pictures("j1", Status.CANCELLED, 2.0)
    assert [one.id for one in await db.jobs.undelivered()] == ["j1"]
    await db.jobs.mark_delivered("j1", now=3.0)
    after = await db.jobs.job("j1")
    assert after is not None and after.target.token is None
    assert await db.jobs.undelivered() == []


async def test_a_dead_bots_work_waits_again(db: Database) -> None:
    """What was running is queued, and counted as a crash."""
    await running(db)
    await db.jobs.recover()
    (waiting,) = await db.jobs.queued()
    assert (waiting.id, waiting.attempt, waiting.crashes) == ("j1", 1, 1)


async def test_a_message_leads_to_its_job(db: Database) -> None:
    """The job's own message to the whole of it, others to one picture."""
    await db.jobs.add(job())
    await db.jobs.set_message("j1", 77)
    await db.job_messages.link(78, "j1", 2)
    whole, one = await db.job_messages.find(77), await db.job_messages.find(78)
    assert whole is not None and (whole.job.id, whole.nth) == ("j1", None)
    assert whole.job.target.message_id == 77
    assert one is not None and (one.job.id, one.nth) == ("j1", 2)
    assert await db.job_messages.find(79) is None


async def test_load_and_last_service_are_counted_by_person(db: Database) -> None:
    """Ended jobs are no load; who does not wait does not matter."""
    await running(db, "a")
    await db.jobs.add(job("b", user_id=2, target=ResponseTarget(channel_id=1, guild_id=8)))
    await db.jobs.add(job("c", user_id=1, target=ResponseTarget(channel_id=1, guild_id=9)))
    await db.jobs.mark_queued("c", job().recipes)
    assert await db.jobs.queue_depth(1, 8) == QueueDepth(2, 1, 3)
    assert await db.jobs.queue_depth(3) == QueueDepth(0, 0, 3)
    assert {job.id for job in await db.jobs.unfinished(1)} == {"a", "c"}
    assert await db.jobs.last_started() == {1: 1.0}
    await db.jobs.finish_without_pictures("a", Status.CANCELLED, 2.0)
    assert (await db.jobs.queue_depth(1)).user == 1


async def test_a_cancelled_caller_leaves_no_open_transaction(db: Database) -> None:
    """Whoever comes next can write."""
    for _ in range(20):
        task = asyncio.create_task(db.jobs.add(job()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await db.jobs.add(job("j2"))


async def test_a_commit_that_fails_harms_nobody_else(db: Database) -> None:
    """What could not be kept is taken back, and the next to write can."""
    with pytest.raises(sqlite3.IntegrityError):
        async with db._connection.transaction() as connection:
            await connection.execute("PRAGMA defer_foreign_keys = ON")
            await connection.execute("INSERT INTO posts (message, job) VALUES (1, 'nobody')")
    assert await db.jobs.add(job("j2"))


@pytest.mark.parametrize(
    "change",
    [
        "status = 'asleep'",
        "status = 'done'",
        "ended_at = 5.0",
        "status = 'failed', ended_at = 5.0",
        "delivered_at = 5.0",
        "attempt = -1",
        "recipes = '[]'",
        "person = 'Ada'",
    ],
)
async def test_the_schema_refuses_nonsense(db: Database, tmp_path: Path, change: str) -> None:
    """No program can leave a job in a state that has no meaning."""
    await db.jobs.add(job())
    connection = sqlite3.connect(tmp_path / "imagine.db")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(f"UPDATE jobs SET {change}")  # noqa: S608 # a constant of this test
    connection.close()
