"""Erasing, exporting and expiring user data."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.db import migrations
from bot.db.database import Database
from bot.db.erasure import REVIEW_SECONDS
from bot.db.file_deletions import FileDeletion, FileKind
from bot.db.jobs import REPLAY_SECONDS
from bot.db.usage import UsageRecord
from bot.domain.clock import DAY
from bot.domain.job import DeletionReason, ResponseTarget, Status
from bot.domain.job_input import InputRole, PlanInput
from bot.domain.kinds import variation
from bot.domain.moderation import AuditAction, AuditEntry, CaseState, Report
from bot.domain.plan import Edge, PlanDetails, Relation
from bot.domain.user_data import AUDIT_DAYS
from tests.bot_harness import query
from tests.samples import direct_message, full_recipe, full_size, job, recipe
from tests.stored_jobs import delivered_job, stored_job

A = "a" * 64
SKETCH = PlanInput(role=InputRole.SKETCH, url="https://cdn.example/secret", keep_size=True)


async def test_erasure_keeps_statistics(db: Database, tmp_path: Path) -> None:
    """Times stay, and each recipe loses only its prompts, seeds and init image."""
    await delivered_job(db, "j0", user_id=2)
    edge = Edge(1, "j0-1", Relation.VARIATION)
    details = PlanDetails(prompt="a secret")
    await delivered_job(
        db, "j1", edges=[edge], recipes=(full_recipe(),) * 3, kind=variation.KIND, plan=details
    )
    assert await db.erasure.erase_user(1, now=300.0) == 1
    erased = await stored_job(db, "j1")
    remaining = recipe(prompt="(deleted)", seed=0)
    assert erased.recipes == (remaining,) * 3
    assert erased.deletion_reason is DeletionReason.REQUESTED
    assert (erased.kind, erased.status) == (variation.KIND, Status.DONE)
    assert (erased.plan, await db.lineage.edges("j1")) == (PlanDetails(), ())
    assert (erased.user_id, erased.target) == (0, ResponseTarget(channel_id=0))
    [row] = query(tmp_path, "SELECT * FROM jobs WHERE id = 'j1'")
    assert (row["created_at"], row["started_at"], row["ended_at"]) == (100.0, 200.0, 200.0)


@pytest.mark.parametrize("status", [Status.FAILED, Status.REFUSED, Status.CANCELLED])
async def test_jobs_of_each_ending_are_erased(db: Database, status: Status) -> None:
    """The failure reason is erased too: it may quote the user."""
    await db.jobs.add(job(), inputs=[SKETCH])
    await db.jobs.finish_without_pictures(
        "j1", status, 2.0, reason=None if status is Status.CANCELLED else "No such quokka."
    )
    assert await db.erasure.erase_user(1, now=300.0) == 1
    reason = (await stored_job(db, "j1")).failure_reason
    assert reason == (None if status is Status.CANCELLED else "(deleted)")


@pytest.mark.parametrize("status", [Status.FAILED, Status.REFUSED, Status.CANCELLED])
async def test_the_url_of_an_input_is_deleted_at_the_end(db: Database, status: Status) -> None:
    """The URL is signed, and the bot does not need it any more."""
    await db.jobs.add(job(), inputs=[SKETCH])
    assert await db.job_inputs.pending("j1") == [SKETCH]
    await db.jobs.finish_without_pictures(
        "j1", status, 2.0, reason=None if status is Status.CANCELLED else "No."
    )
    assert await db.job_inputs.pending("j1") == []


async def test_a_migration_deletes_urls_of_ended_jobs(tmp_path: Path) -> None:
    """Databases of earlier versions still have them."""
    path = tmp_path / "imagine.db"
    steps = migrations.migrations()
    migrations.migrate(path, steps[:2])
    connection = sqlite3.connect(path)
    connection.execute(
        "INSERT INTO jobs (id, request, kind, status, person, channel, recipes, sketch, "
        "created_at, ended_at) VALUES ('j1', 'r', 'imagine', 'cancelled', 1, 2, '[{}]', '{}', 1, 2)"
    )
    connection.commit()
    connection.close()
    migrations.migrate(path)
    assert query(tmp_path, "SELECT * FROM job_inputs") == []


async def test_unfinished_jobs_are_not_erased(db: Database) -> None:
    """The caller has to cancel them first."""
    await db.jobs.add(job())
    assert await db.erasure.erase_user(1, now=300.0) == 0
    assert [item.id for item in await db.jobs.unfinished(1)] == ["j1"]
    assert (await stored_job(db, "j1")).deletion_reason is None


async def test_the_target_is_erased_after_the_delivery(db: Database) -> None:
    """Until the delivery it is needed to edit the message."""
    address = ResponseTarget(
        channel_id=2,
        guild_id=3,
        message_id=4,
        application_id=5,
        token="t",  # noqa: S106
        reply_to_id=6,
    )
    await db.jobs.add(job(target=address))
    await db.jobs.finish_without_pictures("j1", Status.CANCELLED, 2.0)
    await db.erasure.erase_user(1, now=300.0)
    waiting = await stored_job(db, "j1")
    assert (waiting.target, waiting.user_id) == (address, 0)
    assert [item.job_id for item in await db.deliveries.undelivered()] == ["j1"]
    await db.jobs.mark_delivered("j1", now=301.0)
    assert (await stored_job(db, "j1")).target == ResponseTarget(channel_id=0)


async def test_messages_of_erased_jobs_are_not_recorded(db: Database, tmp_path: Path) -> None:
    """Discord may accept a message of the job or of one picture only after the erasure."""
    await delivered_job(db, "j1")
    await db.erasure.erase_user(1, now=300.0)
    await db.jobs.set_message("j1", 77)
    await db.deliveries.set_message(full_size(), 78)
    assert query(tmp_path, "SELECT * FROM deliveries") == []
    assert (await stored_job(db, "j1")).target.message_id is None


async def test_direct_messages_are_erased_with_the_job(db: Database, tmp_path: Path) -> None:
    """Those of other jobs stay, and later ones of this job are not recorded."""
    for person, name in ((1, "j1"), (2, "j2")):
        await delivered_job(db, name, user_id=person)
        await db.deliveries.record(direct_message(name), person, now=250.0)
    await db.erasure.erase_user(1, now=300.0)
    await db.deliveries.record(direct_message("j1"), 3, now=300.0)
    remaining = query(
        tmp_path, "SELECT job, channel, message FROM deliveries WHERE kind = 'direct'"
    )
    assert [tuple(row) for row in remaining] == [("j2", 50, 2)]


async def test_files_of_removed_pictures_are_deleted(db: Database, tmp_path: Path) -> None:
    """The rows of the pictures stay and record the removal."""
    await delivered_job(db, "j1")
    removed = AuditEntry(
        created_at=300.0, guild_id=2, actor_id=3, action=AuditAction.REMOVED, job_id="j1"
    )
    await db.reports.remove("j1", removed)
    entries = await db.file_deletions.all()
    deleted: list[FileDeletion] = []

    async def remove(removals: Sequence[FileDeletion]) -> Sequence[FileDeletion]:
        deleted.extend(removals)
        return removals

    assert await db.file_deletions.process(entries, remove) == 0
    assert deleted == [FileDeletion(FileKind.PICTURES, "j1")]
    [row] = query(tmp_path, "SELECT removed_at FROM pictures")
    assert row["removed_at"] == 300.0
    [line] = query(tmp_path, "SELECT action, actor FROM audit_log")
    assert tuple(line) == ("removed", 3)


async def test_the_schema_forbids_a_partial_erasure(db: Database, tmp_path: Path) -> None:
    """No SQL statement can put user data back into an erased job."""
    await delivered_job(db, "j1")
    await db.erasure.erase_user(1, now=300.0)
    connection = sqlite3.connect(tmp_path / "imagine.db", isolation_level=None)
    for change in (
        "person = 1",
        "channel = 10",
        "guild = 5",
        "request = 'interaction:5'",
        'plan = \'{"prompt": "a quokka"}\'',
        "erased = 'whim'",
        "recipes = json_replace(recipes, '$[0].prompt', 'a quokka')",
        "recipes = json_replace(recipes, '$[0].negative', 'a quokka')",
        f"recipes = json_set(recipes, '$[0].source', '{A}')",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            connection.execute(f"UPDATE jobs SET {change}")  # noqa: S608 # ours
    connection.close()


async def test_an_erased_idempotency_key_is_recognised_for_a_day(db: Database) -> None:
    """Its digest is stored for a day and then deleted."""
    reaction_job = job(idempotency_key="reaction:5:1:x", created_at=1000.0)
    await db.jobs.add(reaction_job)
    await db.jobs.finish_without_pictures("j1", Status.CANCELLED, 1001.0)
    await db.erasure.erase_user(1, now=1002.0)
    assert (await stored_job(db, "j1")).idempotency_key.startswith("erased:")
    await db.erasure.expire_all(now=1000.0 + REPLAY_SECONDS - 1)
    assert await db.jobs.exists("reaction:5:1:x")
    await db.erasure.expire_all(now=1000.0 + REPLAY_SECONDS)
    assert not await db.jobs.exists("reaction:5:1:x")
    assert (await stored_job(db, "j1")).idempotency_key == "erased:j1"


async def test_a_removed_reaction_can_be_repeated_after_an_erasure(db: Database) -> None:
    """The erasure releases the key of the job."""
    await db.jobs.add(job(idempotency_key="reaction:5:1:x"))
    await db.jobs.finish_without_pictures("j1", Status.CANCELLED, 101.0)
    await db.erasure.erase_user(1, now=102.0)
    await db.jobs.free_key("reaction:5:1:x")
    assert not await db.jobs.exists("reaction:5:1:x")


@pytest.mark.parametrize("suffix", ["", ":x"])
async def test_cleared_reactions_can_be_repeated_after_an_erasure(
    db: Database, suffix: str
) -> None:
    """Those to other messages, and with another emoji, stay."""
    keys = (
        "reaction:5:1:x",
        "reaction:5:2:x",
        "reaction:5:1:y",
        "reaction:50:1:x",
        "interaction:5",
    )
    for nth, key in enumerate(keys):
        await db.jobs.add(job(f"j{nth}", idempotency_key=key))
        await db.jobs.finish_without_pictures(f"j{nth}", Status.CANCELLED, 101.0)
    await db.erasure.erase_user(1, now=102.0)
    for _ in range(2):
        await db.jobs.free_keys("reaction:5:", suffix)
        exist = [await db.jobs.exists(key) for key in keys]
        assert exist == [False, False, bool(suffix), True, True]
    await db.erasure.expire_all(now=100.0 + REPLAY_SECONDS)
    assert [await db.jobs.exists(key) for key in keys] == [False] * 5
    await db.erasure.expire_all(now=10 * REPLAY_SECONDS)


async def test_old_jobs_are_erased_in_batches(db: Database) -> None:
    """The oldest jobs come first; newer jobs stay."""
    for nth in range(5):
        await delivered_job(db, f"j{nth}", at=200.0 + nth)
    counts = [await db.erasure.erase_older_than(203.0, limit=2, now=9e9) for _ in range(3)]
    assert counts == [2, 1, 0]
    erased = [(await stored_job(db, f"j{nth}")).deletion_reason for nth in range(5)]
    assert erased == [DeletionReason.EXPIRED] * 3 + [None] * 2
    assert len(await db.jobs.pictures("j3")) == 1 and not await db.jobs.pictures("j1")


async def test_undelivered_jobs_do_not_expire(db: Database) -> None:
    """Their age does not matter."""
    await db.jobs.add(job("j1"))
    await db.jobs.add(job("j2"))
    await db.jobs.finish_without_pictures("j2", Status.CANCELLED, 2.0)
    assert await db.erasure.erase_older_than(9e9, limit=9, now=9e9) == 0
    await db.jobs.mark_delivered("j2", now=3.0)
    assert await db.erasure.erase_older_than(9e9, limit=9, now=9e9) == 1


async def test_the_export_contains_all_jobs_of_a_user(db: Database) -> None:
    """The jobs come in order, also if the export reads several pages."""
    for nth in range(450):
        await db.jobs.add(job(f"j{nth}", user_id=1 + nth % 2))
    await delivered_job(db, "last")
    everything = [item async for item in db.erasure.jobs(1)]
    assert [item.job.id for item in everything] == [f"j{n}" for n in range(0, 450, 2)] + ["last"]
    assert everything[-1][1] == await db.jobs.pictures("last")
    summary = await db.erasure.summary(1, now=300.0)
    assert (summary.jobs, summary.pictures, summary.input_pictures, summary.oldest_at) == (
        226,
        1,
        0,
        100.0,
    )


async def test_many_jobs_are_erased_in_one_transaction(db: Database) -> None:
    """The event loop is not blocked during the transaction."""
    async with db._connection.transaction() as connection:
        await connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
            "INSERT INTO jobs (id, request, kind, person, channel, recipes, created_at, "
            "status, ended_at, delivered_at, attempt) SELECT 'j' || i, 'r' || i, 'imagine', 1, 2, "
            "(SELECT json_group_array(json_object('prompt', 'a quokka', 'source', null)) "
            "FROM (VALUES (1), (2), (3), (4))), 1e9, 'done', 1e9, 1e9, 1 FROM n"
        )
    loop, turns = asyncio.get_running_loop(), list[None]()

    def wait_for_loop() -> None:
        """In the thread of SQLite, in the middle of a statement."""
        turns.append(asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(timeout=20))

    await db._connection.raw.set_progress_handler(wait_for_loop, 10_000)
    assert await db.erasure.erase_user(1, now=1e9) == 5000
    await db._connection.raw.set_progress_handler(wait_for_loop, 0)
    assert len(turns) > 1
    assert len(await db.file_deletions.all()) == 5000


async def test_erased_jobs_can_be_read(db: Database) -> None:
    """All queries accept the rows of erased jobs."""
    await delivered_job(db, "j1")
    await db.jobs.add(job("j2"))
    await db.jobs.finish_without_pictures("j2", Status.CANCELLED, 2.0)
    await db.erasure.erase_user(1, now=300.0)
    assert [item.job_id for item in await db.deliveries.undelivered()] == ["j2"]
    assert await db.jobs.pictures("j1") == [] and await db.jobs.picture("j1-1") is None
    assert await db.deliveries.find(hash("j1") % 2**40) is None
    assert (await stored_job(db, "j1")).recipes[0].prompt == "(deleted)"


async def report(db: Database, name: str, *, at: float) -> None:
    """Report the job at this time."""
    await db.reports.submit(
        Report(
            job_id=name,
            guild_id=3,
            channel_id=4,
            message_id=hash(name) % 2**40,
            nth=None,
            reporter_id=9,
            reason="",
            created_at=at,
        )
    )


def dismissal(*, at: float = 400.0) -> AuditEntry:
    """The audit entry of a moderator who dismisses the case."""
    return AuditEntry(
        created_at=at, guild_id=3, actor_id=8, action=AuditAction.DISMISSED, job_id="j1"
    )


@pytest.mark.parametrize("ending", [CaseState.DISMISSED, CaseState.REMOVED])
async def test_reported_jobs_are_erased_after_the_decision(db: Database, ending: CaseState) -> None:
    """A user cannot delete the evidence while moderators review it."""
    await delivered_job(db, "j1")
    await delivered_job(db, "j2")
    await report(db, "j1", at=250.0)
    assert (await db.erasure.summary(1, now=300.0)).under_review == 1
    assert await db.erasure.erase_user(1, now=300.0) == 1
    assert await db.erasure.erase_deferred(now=300.0) == 0
    assert await db.erasure.erase_older_than(9e9, limit=9, now=300.0) == 0
    assert (await stored_job(db, "j1")).user_id == 1
    await db.reports.close("j1", ending, dismissal())
    assert await db.erasure.erase_deferred(now=401.0) == 1
    assert (await stored_job(db, "j1")).deletion_reason is DeletionReason.REQUESTED
    assert await db.erasure.erase_deferred(now=402.0) == 0


async def test_reported_jobs_are_erased_after_the_review_period(db: Database) -> None:
    """This happens even if no moderator decides."""
    await delivered_job(db, "j1")
    await report(db, "j1", at=250.0)
    await db.erasure.erase_user(1, now=300.0)
    assert await db.erasure.erase_deferred(now=249.0 + REVIEW_SECONDS) == 0
    assert await db.erasure.erase_deferred(now=250.0 + REVIEW_SECONDS) == 1
    case = await db.reports.case("j1", 3)
    assert case is not None and case.state is CaseState.OPEN


async def test_reports_and_audit_entries_expire(db: Database, tmp_path: Path) -> None:
    """Newer reports and entries stay."""
    await delivered_job(db, "j1")
    await delivered_job(db, "j2")
    await report(db, "j1", at=0.0)
    await report(db, "j2", at=50.0)
    await db.reports.close("j1", CaseState.DISMISSED, dismissal(at=10.0))
    await db.erasure.expire_all(now=AUDIT_DAYS * DAY + 20.0)
    assert [entry.created_at for entry in await db.audit_log.page(3, 1, 10)] == [50.0]
    assert await db.reports.case("j1", 3) is None
    assert await db.reports.case("j2", 3) is not None


async def test_erasure_keeps_anonymous_usage(db: Database, tmp_path: Path) -> None:
    """The usage still counts against the quota, but the row no longer names the job."""
    charge = UsageRecord(
        job_id="j1",
        attempt=1,
        user_id=1,
        seconds=5.0,
        created_at=200.0,
        revision="0",
        pixels=64,
        work=1.0,
    )
    charges = db.usage
    await delivered_job(db, "j1")
    await charges.add(charge)
    await db.erasure.erase_user(1, now=300.0)
    late_record = UsageRecord(
        job_id="j1",
        attempt=2,
        user_id=1,
        seconds=1.0,
        created_at=301.0,
        revision="0",
        pixels=64,
        work=None,
    )
    await charges.add(late_record)
    assert [use.seconds for use in await charges.for_user(1, now=302.0)] == [5.0, 1.0]
    assert "j1" not in {row["job"] for row in query(tmp_path, "SELECT job FROM usage")}
    await db.erasure.expire_all(now=301.0 + DAY)
    assert query(tmp_path, "SELECT * FROM usage") == []
