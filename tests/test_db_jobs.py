"""The record."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.db import migrations
from bot.db.jobs import JobStore
from bot.domain.job import JobKind, ResponseTarget, Sketch, Status
from bot.domain.limits import QueueDepth
from engine.contract import Verdict
from tests.samples import job, picture, recipe

FLAGGED = (Verdict(checker="model", score=0.9, flagged=True),)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[JobStore]:
    """An empty record."""
    migrations.migrate(tmp_path / "imagine.db")
    async with JobStore(tmp_path / "imagine.db") as ledger:
        yield ledger


async def running(ledger: JobStore, name: str = "j1") -> None:
    """A job that is at the engine for the first time."""
    await ledger.add(job(name))
    await ledger.mark_queued(name, job().recipes)
    assert await ledger.claim(name, now=1.0)


async def test_a_job_comes_back_as_it_went_in(ledger: JobStore) -> None:
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
    assert await ledger.add(full)
    assert await ledger.job(full.id) == full


async def test_the_same_request_is_one_job(ledger: JobStore) -> None:
    """A replayed interaction adds nothing."""
    assert await ledger.add(job("j1", idempotency_key="interaction:5"))
    assert not await ledger.add(job("j2", idempotency_key="interaction:5"))
    assert await ledger.job("j2") is None


async def test_a_request_that_is_taken_back_may_come_again(ledger: JobStore) -> None:
    """As a reaction that is removed and added."""
    await ledger.add(job("j1", idempotency_key="reaction:5"))
    await ledger.free_key("reaction:5")
    assert await ledger.add(job("j2", idempotency_key="reaction:5"))


async def test_only_one_claims_a_job(ledger: JobStore) -> None:
    """Of two at the same time, one gets it."""
    await ledger.add(job())
    await ledger.mark_queued("j1", job().recipes)
    claims = await asyncio.gather(*(ledger.claim("j1", now=1.0) for _ in range(5)))
    assert [claim.attempt for claim in claims if claim] == [1]


async def test_a_claim_leaves_the_database_to_others(ledger: JobStore, tmp_path: Path) -> None:
    """No lock is held when it returns."""
    await running(ledger)
    other = sqlite3.connect(tmp_path / "imagine.db", timeout=0)
    other.execute("UPDATE jobs SET crashes = 0")
    other.rollback()
    other.close()


async def test_only_a_queued_job_is_claimed(ledger: JobStore) -> None:
    """One without its sketch is not complete."""
    await ledger.add(job())
    assert await ledger.claim("j1", now=1.0) is None


async def test_an_old_attempt_changes_nothing(ledger: JobStore) -> None:
    """What comes late from the first attempt is ignored during the second."""
    await running(ledger)
    await ledger.requeue("j1", 1, crashed=True)
    second = await ledger.claim("j1", now=2.0)
    assert second is not None
    assert (second.attempt, second.crashes) == (2, 1)
    assert not await ledger.complete("j1", 1, [picture()], 3.0)
    assert not await ledger.requeue("j1", 1, crashed=True)
    assert await ledger.pictures("j1") == []
    assert await ledger.complete("j1", 2, [picture()], 3.0)


async def test_pictures_and_status_come_together(ledger: JobStore) -> None:
    """A picture that cannot be recorded leaves the job unfinished."""
    await running(ledger)
    with pytest.raises(sqlite3.IntegrityError):
        await ledger.complete("j1", 1, [picture(), picture()], 3.0)
    unfinished = await ledger.job("j1")
    assert unfinished is not None and unfinished.status is Status.RUNNING
    assert await ledger.pictures("j1") == []


async def test_a_picture_comes_back_as_it_went_in(ledger: JobStore) -> None:
    """With a whole recipe."""
    await running(ledger)
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
    await ledger.complete("j1", 1, pictures, 3.0)
    assert await ledger.pictures("j1") == pictures
    assert await ledger.picture("j1-2") == pictures[1]
    assert await ledger.picture("j1-5") is None


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
    ledger: JobStore, changes: dict[str, Any]
) -> None:
    """What is blocked has no file, what is restricted has one and a verdict; the record takes
    nothing in between."""
    await running(ledger)
    with pytest.raises(sqlite3.IntegrityError):
        await ledger.complete("j1", 1, [picture(**changes)], 3.0)


async def test_what_may_be_revealed_is_remembered(ledger: JobStore) -> None:
    """It was decided when the job was accepted."""
    await ledger.add(job("j1", include_flagged=True))
    await ledger.add(job("j2"))
    found = [await ledger.job(name) for name in ("j1", "j2")]
    assert [one.include_flagged for one in found if one] == [True, False]


async def test_a_job_ends_once(ledger: JobStore) -> None:
    """The first ending counts."""
    await running(ledger)
    assert await ledger.finish_without_pictures("j1", Status.CANCELLED, 2.0)
    assert not await ledger.finish_without_pictures("j1", Status.FAILED, 3.0, reason="Too late.")
    assert not await ledger.complete("j1", 1, [picture()], 3.0)
    ended = await ledger.job("j1")
    assert ended is not None and ended.status is Status.CANCELLED


async def test_a_token_is_kept_until_the_delivery_only(ledger: JobStore) -> None:
    """Then it is gone from the record."""
    await ledger.add(job(target=ResponseTarget(channel_id=1, token="secret")))  # noqa: S106
    await ledger.mark_delivered("j1", now=1.0)
    before = await ledger.job("j1")
    assert before is not None and before.target.token == "secret"  # noqa: S105
    await ledger.finish_without_pictures("j1", Status.CANCELLED, 2.0)
    assert [one.id for one in await ledger.undelivered()] == ["j1"]
    await ledger.mark_delivered("j1", now=3.0)
    after = await ledger.job("j1")
    assert after is not None and after.target.token is None
    assert await ledger.undelivered() == []


async def test_a_dead_bots_work_waits_again(ledger: JobStore) -> None:
    """What was running is queued, and counted as a crash."""
    await running(ledger)
    await ledger.recover()
    (waiting,) = await ledger.queued()
    assert (waiting.id, waiting.attempt, waiting.crashes) == ("j1", 1, 1)


async def test_a_message_leads_to_its_job(ledger: JobStore) -> None:
    """The job's own message to the whole of it, others to one picture."""
    await ledger.add(job())
    await ledger.set_message("j1", 77)
    await ledger.link_message(78, "j1", 2)
    whole, one = await ledger.find_by_message(77), await ledger.find_by_message(78)
    assert whole is not None and (whole.job.id, whole.nth) == ("j1", None)
    assert whole.job.target.message_id == 77
    assert one is not None and (one.job.id, one.nth) == ("j1", 2)
    assert await ledger.find_by_message(79) is None


async def test_load_and_last_service_are_counted_by_person(ledger: JobStore) -> None:
    """Ended jobs are no load; who does not wait does not matter."""
    await running(ledger, "a")
    await ledger.add(job("b", user_id=2, target=ResponseTarget(channel_id=1, guild_id=8)))
    await ledger.add(job("c", user_id=1, target=ResponseTarget(channel_id=1, guild_id=9)))
    await ledger.mark_queued("c", job().recipes)
    assert await ledger.queue_depth(1, 8) == QueueDepth(2, 1, 3)
    assert await ledger.queue_depth(3) == QueueDepth(0, 0, 3)
    assert {job.id for job in await ledger.unfinished(1)} == {"a", "c"}
    assert await ledger.last_started() == {1: 1.0}
    await ledger.finish_without_pictures("a", Status.CANCELLED, 2.0)
    assert (await ledger.queue_depth(1)).user == 1


async def test_a_cancelled_caller_leaves_no_open_transaction(ledger: JobStore) -> None:
    """Whoever comes next can write."""
    for _ in range(20):
        task = asyncio.create_task(ledger.add(job()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await ledger.add(job("j2"))


async def test_a_commit_that_fails_harms_nobody_else(ledger: JobStore) -> None:
    """What could not be kept is taken back, and the next to write can."""
    with pytest.raises(sqlite3.IntegrityError):
        async with ledger.transaction() as connection:
            await connection.execute("PRAGMA defer_foreign_keys = ON")
            await connection.execute("INSERT INTO posts (message, job) VALUES (1, 'nobody')")
    assert await ledger.add(job("j2"))


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
async def test_the_schema_refuses_nonsense(ledger: JobStore, tmp_path: Path, change: str) -> None:
    """No program can leave a job in a state that has no meaning."""
    await ledger.add(job())
    connection = sqlite3.connect(tmp_path / "imagine.db")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(f"UPDATE jobs SET {change}")  # noqa: S608 # a constant of this test
    connection.close()
