"""Jobs, pictures and their transitions."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bot.db.database import Database
from bot.domain.job import ResponseTarget, Status
from bot.domain.kinds import variation
from bot.domain.limits import QueueDepth
from bot.domain.plan import Axis, JobKind, Matrix, PlanDetails
from engine.contract import Adapter, Capture, Omission, Verdict
from tests.samples import full_recipe, full_size, job, picture, recipe

FLAGGED = (Verdict(checker="model", score=0.9, flagged=True),)


async def run_job(db: Database, name: str = "j1") -> None:
    """Add and queue a job, and claim an attempt."""
    await db.jobs.add(job(name))
    await db.jobs.mark_queued(name, job().recipes)
    assert await db.jobs.claim(name, now=1.0)


async def test_jobs_round_trip(db: Database) -> None:
    """Each field is set."""
    full = job(
        kind=variation.KIND,
        target=ResponseTarget(
            channel_id=2**62,
            guild_id=3,
            message_id=4,
            application_id=5,
            token="t",  # noqa: S106
            reply_to_id=6,
        ),
        plan=PlanDetails(
            layout=Matrix(Axis("", ("",)), Axis("steps", ("4",))),
            capture=Capture(film=True),
            prompt="a [red:blue:0.5] house",
            full_recipes=(recipe(steps=9),),
        ),
        recipes=(
            recipe(
                prompt="'; DROP TABLE jobs; --",
                adapters=(Adapter(name="x", revision="1", scale=0.5),),
            ),
        ),
        max_concurrent=7,
    )
    assert await db.jobs.add(full)
    assert await db.jobs.job(full.id) == full


async def test_a_job_of_an_unknown_kind_can_be_read(db: Database) -> None:
    """A newer version of the bot stored it. The kind stays, and its messages have no title."""
    await db.jobs.add(job(kind=JobKind(name="mirror", title="Mirrored: ")))
    stored = await db.jobs.job("j1")
    assert stored is not None
    assert (stored.kind.name, stored.kind.title) == ("mirror", "")


async def test_an_idempotency_key_makes_one_job(db: Database) -> None:
    """A repeated interaction adds nothing."""
    assert await db.jobs.add(job("j1", idempotency_key="interaction:5"))
    assert not await db.jobs.add(job("j2", idempotency_key="interaction:5"))
    assert await db.jobs.job("j2") is None


async def test_a_freed_key_can_be_used_again(db: Database) -> None:
    """A reaction may be removed and added again."""
    await db.jobs.add(job("j1", idempotency_key="reaction:5"))
    await db.jobs.free_key("reaction:5")
    assert await db.jobs.add(job("j2", idempotency_key="reaction:5"))


async def test_keys_are_freed_together(db: Database) -> None:
    """Those that start and end like this; freeing them again changes nothing."""
    keys = ("reaction:5:1:a", "reaction:5:2:a", "reaction:5:1:b", "reaction:50:1:a")
    for nth, key in enumerate(keys):
        await db.jobs.add(job(f"j{nth}", idempotency_key=key))
    for _ in range(2):
        await db.jobs.free_keys("reaction:5:", ":a")
        assert [await db.jobs.exists(key) for key in keys] == [False, False, True, True]
    for _ in range(2):
        await db.jobs.free_keys("reaction:5:")
        assert [await db.jobs.exists(key) for key in keys] == [False, False, False, True]
    stored = await db.jobs.job("j0")
    assert stored is not None
    assert stored.idempotency_key == "reaction:5:1:a:j0"


async def test_one_of_two_concurrent_claims_succeeds(db: Database) -> None:
    """The other claim returns None."""
    await db.jobs.add(job())
    await db.jobs.mark_queued("j1", job().recipes)
    claims = await asyncio.gather(*(db.jobs.claim("j1", now=1.0) for _ in range(5)))
    assert [claim.attempt for claim in claims if claim] == [1]


async def test_a_claim_releases_its_lock(db: Database, tmp_path: Path) -> None:
    """Another connection can write once `claim` has returned."""
    await run_job(db)
    connection = sqlite3.connect(tmp_path / "imagine.db", timeout=0)
    connection.execute("UPDATE jobs SET crashes = 0")
    connection.rollback()
    connection.close()


async def test_only_queued_jobs_can_be_claimed(db: Database) -> None:
    """A job that is only accepted is still incomplete."""
    await db.jobs.add(job())
    assert await db.jobs.claim("j1", now=1.0) is None


async def test_superseded_attempts_change_nothing(db: Database) -> None:
    """During the second attempt, late results of the first one are ignored."""
    await run_job(db)
    await db.jobs.requeue("j1", 1, crashed=True)
    second = await db.jobs.claim("j1", now=2.0)
    assert second is not None
    assert (second.attempt, second.crashes) == (2, 1)
    assert not await db.jobs.complete("j1", 1, [picture()], 3.0)
    assert not await db.jobs.requeue("j1", 1, crashed=True)
    assert await db.jobs.pictures("j1") == []
    assert await db.jobs.complete("j1", 2, [picture()], 3.0)


async def test_pictures_and_status_are_stored_together(db: Database) -> None:
    """The job stays running if one of its pictures cannot be stored."""
    await run_job(db)
    with pytest.raises(sqlite3.IntegrityError):
        await db.jobs.complete("j1", 1, [picture(), picture()], 3.0)
    unfinished = await db.jobs.job("j1")
    assert unfinished is not None and unfinished.status is Status.RUNNING
    assert await db.jobs.pictures("j1") == []


async def test_pictures_round_trip(db: Database) -> None:
    """Each field of the recipe is set."""
    await run_job(db)
    omission = Omission(prompt=3, negative=1)
    pictures = [
        picture(recipe=full_recipe(), omission=omission),
        picture(nth=2, path=None, is_withheld=True),
    ]
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
async def test_the_schema_checks_withheld_and_flagged_pictures(
    db: Database, changes: dict[str, Any]
) -> None:
    """A withheld picture has no file; a flagged one with a file has verdicts."""
    await run_job(db)
    with pytest.raises(sqlite3.IntegrityError):
        await db.jobs.complete("j1", 1, [picture(**changes)], 3.0)


async def test_include_flagged_is_stored(db: Database) -> None:
    """The value is decided when the job is accepted."""
    await db.jobs.add(job("j1", include_flagged=True))
    await db.jobs.add(job("j2"))
    jobs = [await db.jobs.job(name) for name in ("j1", "j2")]
    assert [item.include_flagged for item in jobs if item] == [True, False]


async def test_a_job_ends_once(db: Database) -> None:
    """Only the first ending is stored."""
    await run_job(db)
    assert await db.jobs.finish_without_pictures("j1", Status.CANCELLED, 2.0)
    assert not await db.jobs.finish_without_pictures("j1", Status.FAILED, 3.0, reason="Too late.")
    assert not await db.jobs.complete("j1", 1, [picture()], 3.0)
    ended = await db.jobs.job("j1")
    assert ended is not None and ended.status is Status.CANCELLED


async def test_the_token_is_deleted_with_the_delivery(db: Database) -> None:
    """After that, no file of the database contains it."""
    await db.jobs.add(job(target=ResponseTarget(channel_id=1, token="secret")))  # noqa: S106
    await db.jobs.mark_delivered("j1", now=1.0)
    before = await db.jobs.job("j1")
    assert before is not None and before.target.token == "secret"  # noqa: S105
    await db.jobs.finish_without_pictures("j1", Status.CANCELLED, 2.0)
    assert [item.job_id for item in await db.deliveries.undelivered()] == ["j1"]
    await db.jobs.mark_delivered("j1", now=3.0)
    after = await db.jobs.job("j1")
    assert after is not None and after.target.token is None
    assert await db.deliveries.undelivered() == []


async def test_recovery_queues_running_jobs(db: Database) -> None:
    """Each recovery also counts a crash."""
    await run_job(db)
    await db.jobs.recover()
    (waiting,) = await db.jobs.queued()
    assert (waiting.id, waiting.attempt, waiting.crashes) == ("j1", 1, 1)


async def test_messages_are_linked_to_jobs_and_pictures(db: Database) -> None:
    """The job's own message belongs to the whole job, other messages to one picture."""
    await db.jobs.add(job())
    await db.jobs.set_message("j1", 77)
    await db.deliveries.set_message(full_size(), 78)
    whole, item = await db.deliveries.find(77), await db.deliveries.find(78)
    assert whole is not None and (whole.job.id, whole.nth) == ("j1", None)
    assert whole.job.target.message_id == 77
    assert item is not None and (item.job.id, item.nth) == ("j1", 2)
    assert await db.deliveries.find(79) is None


async def test_queue_depth_and_last_start_count_by_user(db: Database) -> None:
    """Neither ended jobs nor users without queued jobs count."""
    await run_job(db, "a")
    await db.jobs.add(job("b", user_id=2, target=ResponseTarget(channel_id=1, guild_id=8)))
    await db.jobs.add(job("c", user_id=1, target=ResponseTarget(channel_id=1, guild_id=9)))
    await db.jobs.mark_queued("c", job().recipes)
    assert await db.jobs.queue_depth(1, 8) == QueueDepth(2, 1, 3)
    assert await db.jobs.queue_depth(3) == QueueDepth(0, 0, 3)
    assert {job.id for job in await db.jobs.unfinished(1)} == {"a", "c"}
    assert await db.jobs.last_started() == {1: 1.0}
    await db.jobs.finish_without_pictures("a", Status.CANCELLED, 2.0)
    assert (await db.jobs.queue_depth(1)).user == 1


async def test_cancellation_rolls_back(db: Database) -> None:
    """The next caller can write."""
    for _ in range(20):
        task = asyncio.create_task(db.jobs.add(job()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await db.jobs.add(job("j2"))


async def test_a_failed_commit_rolls_back(db: Database) -> None:
    """The next caller can write."""
    with pytest.raises(sqlite3.IntegrityError):
        async with db._connection.transaction() as connection:
            await connection.execute("PRAGMA defer_foreign_keys = ON")
            await connection.execute(
                "INSERT INTO deliveries (kind, job, channel, created_at) "
                "VALUES ('direct', 'nobody', 1, 1.0)"
            )
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
async def test_the_schema_rejects_invalid_states(db: Database, tmp_path: Path, change: str) -> None:
    """An example is a final status without an end time."""
    await db.jobs.add(job())
    connection = sqlite3.connect(tmp_path / "imagine.db")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(f"UPDATE jobs SET {change}")  # noqa: S608 # a constant of this test
    connection.close()
