"""What is kept of people, in the record."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path

import pytest

from bot.db import migrations
from bot.db.database import Database
from bot.db.erasure import REVIEW_SECONDS
from bot.db.file_deletions import FileDeletion, FileKind
from bot.db.jobs import REPLAY_SECONDS
from bot.db.usage import UsageRecord
from bot.domain.clock import DAY
from bot.domain.job import DeletionReason, Job, JobKind, ResponseTarget, Sketch, Status
from bot.domain.moderation import AuditAction, AuditEntry, CaseState, Report
from bot.domain.user_data import AUDIT_DAYS
from tests.house import query
from tests.samples import job, picture, recipe

A, B = "a" * 64, "b" * 64


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty record."""
    migrations.migrate(tmp_path / "imagine.db")
    async with Database(tmp_path / "imagine.db") as db:
        yield db


async def done(db: Database, name: str, *, at: float = 200.0, **changes: object) -> Job:
    """A job that was painted at this time, and shown."""
    new = job(name, **changes)
    await db.jobs.add(new)
    await db.jobs.mark_queued(name, new.recipes)
    await db.jobs.claim(name, now=at)
    await db.jobs.complete(name, 1, [picture(name, recipe=new.recipes[0])], at)
    await db.jobs.set_message(name, hash(name) % 2**40)
    await db.jobs.mark_delivered(name, now=at)
    return new


async def found(db: Database, name: str) -> Job:
    """The job as the record has it."""
    there = await db.jobs.job(name)
    assert there is not None
    return there


async def test_statistics_stay(db: Database, tmp_path: Path) -> None:
    """Of each recipe: all but words, seeds and the sketch; and the times."""
    wanted = recipe(
        seed=5, subseed=6, subseed_strength=0.15, source=A, strength=0.5, negative="rain"
    )
    await done(db, "j1", recipes=(wanted,) * 3, kind=JobKind.VARIATION, parents=("j0-1",))
    assert await db.erasure.erase_user(1, now=300.0) == 1
    erased = await found(db, "j1")
    left = recipe(prompt="(deleted)", seed=0, subseed_strength=0.15)
    assert erased.recipes == (left,) * 3
    assert erased.deletion_reason is DeletionReason.REQUESTED
    assert (erased.kind, erased.status, erased.parents) == (JobKind.VARIATION, Status.DONE, ())
    assert (erased.user_id, erased.target) == (0, ResponseTarget(channel_id=0))
    [row] = query(tmp_path, "SELECT * FROM jobs")
    assert (row["created_at"], row["started_at"], row["ended_at"]) == (100.0, 200.0, 200.0)


@pytest.mark.parametrize("status", [Status.FAILED, Status.REFUSED, Status.CANCELLED])
async def test_all_endings_can_be_deleted(db: Database, status: Status) -> None:
    """With the reason, which may hold words of theirs."""
    sketch = Sketch(url="https://cdn.example/secret", strength=0.5, keep_size=False)
    await db.jobs.add(job(sketch=sketch))
    await db.jobs.finish_without_pictures(
        "j1", status, 2.0, reason=None if status is Status.CANCELLED else "No such quokka."
    )
    assert await db.erasure.erase_user(1, now=300.0) == 1
    reason = (await found(db, "j1")).failure_reason
    assert reason == (None if status is Status.CANCELLED else "(deleted)")


@pytest.mark.parametrize("status", [Status.FAILED, Status.REFUSED, Status.CANCELLED])
async def test_the_address_of_a_sketch_goes_with_the_end(db: Database, status: Status) -> None:
    """It is signed, and nobody needs it any more."""
    await db.jobs.add(job(sketch=Sketch(url="https://a/b", strength=0.5, keep_size=False)))
    await db.jobs.finish_without_pictures(
        "j1", status, 2.0, reason=None if status is Status.CANCELLED else "No."
    )
    assert (await found(db, "j1")).sketch is None


async def test_old_databases_lose_such_addresses(tmp_path: Path) -> None:
    """When they are migrated."""
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
    assert query(tmp_path, "SELECT sketch FROM jobs")[0]["sketch"] is None


async def test_unfinished_jobs_stay(db: Database) -> None:
    """They must be stopped first."""
    await db.jobs.add(job())
    assert await db.erasure.erase_user(1, now=300.0) == 0
    assert [each.id for each in await db.jobs.unfinished(1)] == ["j1"]
    assert (await found(db, "j1")).deletion_reason is None


async def test_the_place_stays_until_the_ending_is_shown_there(db: Database) -> None:
    """Else nobody could say on the message that it was deleted."""
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
    waiting = await found(db, "j1")
    assert (waiting.target, waiting.user_id) == (address, 0)
    assert [each.id for each in await db.jobs.undelivered()] == ["j1"]
    await db.jobs.mark_delivered("j1", now=301.0)
    assert (await found(db, "j1")).target == ResponseTarget(channel_id=0)


async def test_late_messages_leave_no_trace(db: Database, tmp_path: Path) -> None:
    """Of a grid, or of one picture, that Discord took after all was deleted."""
    await done(db, "j1")
    await db.erasure.erase_user(1, now=300.0)
    await db.jobs.set_message("j1", 77)
    await db.job_messages.link(78, "j1", 2)
    assert query(tmp_path, "SELECT * FROM posts") == []
    assert (await found(db, "j1")).target.message_id is None


async def test_what_is_known_of_letters_goes_with_the_job(db: Database, tmp_path: Path) -> None:
    """Also of one that Discord took after all was deleted; of other jobs it stays."""
    for person, name in ((1, "j1"), (2, "j2")):
        await done(db, name, user_id=person)
        await db.job_messages.record_dm(name, 50, person)
    await db.erasure.erase_user(1, now=300.0)
    await db.job_messages.record_dm("j1", 50, 3)
    left = query(tmp_path, "SELECT job, channel, message FROM letters")
    assert [tuple(row) for row in left] == [("j2", 50, 2)]


async def test_files_of_removed_pictures_go(db: Database, tmp_path: Path) -> None:
    """Whoever is killed after a removal was recorded; the rows stay, and say what was removed."""
    await done(db, "j1")
    removed = AuditEntry(
        created_at=300.0, guild_id=2, actor_id=3, action=AuditAction.REMOVED, job_id="j1"
    )
    await db.reports.remove("j1", removed)
    listed = await db.file_deletions.all()
    gone: list[FileDeletion] = []

    async def remove(removals: Sequence[FileDeletion]) -> Sequence[FileDeletion]:
        gone.extend(removals)
        return removals

    assert await db.file_deletions.process(listed, remove) == 0
    assert gone == [FileDeletion(FileKind.PICTURES, "j1")]
    [row] = query(tmp_path, "SELECT removed_at FROM pictures")
    assert row["removed_at"] == 300.0
    [line] = query(tmp_path, "SELECT action, actor FROM audit")
    assert tuple(line) == ("removed", 3)


async def test_the_schema_forbids_half_a_deletion(db: Database, tmp_path: Path) -> None:
    """Whatever a later version of the bot may write."""
    await done(db, "j1")
    await db.erasure.erase_user(1, now=300.0)
    connection = sqlite3.connect(tmp_path / "imagine.db", isolation_level=None)
    for change in (
        "person = 1",
        "channel = 10",
        "message = 5",
        "guild = 5",
        "reply_to = 5",
        "request = 'interaction:5'",
        "parents = '[\"j2-1\"]'",
        "erased = 'whim'",
        "recipes = json_replace(recipes, '$[0].prompt', 'a quokka')",
        "recipes = json_replace(recipes, '$[0].negative', 'a quokka')",
        f"recipes = json_replace(recipes, '$[0].source', '{A}')",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            connection.execute(f"UPDATE jobs SET {change}")  # noqa: S608 # ours
    connection.close()


async def test_a_request_is_known_for_a_day(db: Database) -> None:
    """By its digest; after that Discord cannot say it again, and nothing is left of it."""
    asked = job(idempotency_key="reaction:5:1:x", created_at=1000.0)
    await db.jobs.add(asked)
    await db.jobs.finish_without_pictures("j1", Status.CANCELLED, 1001.0)
    await db.erasure.erase_user(1, now=1002.0)
    assert (await found(db, "j1")).idempotency_key.startswith("erased:")
    await db.erasure.expire_all(now=1000.0 + REPLAY_SECONDS - 1)
    assert await db.jobs.exists("reaction:5:1:x")
    await db.erasure.expire_all(now=1000.0 + REPLAY_SECONDS)
    assert not await db.jobs.exists("reaction:5:1:x")
    assert (await found(db, "j1")).idempotency_key == "erased:j1"


async def test_a_reaction_that_is_taken_back_may_come_again(db: Database) -> None:
    """Also if what came of it was deleted."""
    await db.jobs.add(job(idempotency_key="reaction:5:1:x"))
    await db.jobs.finish_without_pictures("j1", Status.CANCELLED, 101.0)
    await db.erasure.erase_user(1, now=102.0)
    await db.jobs.free_key("reaction:5:1:x")
    assert not await db.jobs.exists("reaction:5:1:x")
    await db.erasure.expire_all(now=10 * REPLAY_SECONDS)


async def test_what_is_old_goes_in_small_steps(db: Database) -> None:
    """The oldest first; what is younger stays."""
    for nth in range(5):
        await done(db, f"j{nth}", at=200.0 + nth)
    counts = [await db.erasure.erase_older_than(203.0, limit=2, now=9e9) for _ in range(3)]
    assert counts == [2, 1, 0]
    erased = [(await found(db, f"j{nth}")).deletion_reason for nth in range(5)]
    assert erased == [DeletionReason.EXPIRED] * 3 + [None] * 2
    assert len(await db.jobs.pictures("j3")) == 1 and not await db.jobs.pictures("j1")


async def test_what_nobody_has_seen_is_not_too_old(db: Database) -> None:
    """However long it takes to finish or to be shown."""
    await db.jobs.add(job("j1"))
    await db.jobs.add(job("j2"))
    await db.jobs.finish_without_pictures("j2", Status.CANCELLED, 2.0)
    assert await db.erasure.erase_older_than(9e9, limit=9, now=9e9) == 0
    await db.jobs.mark_delivered("j2", now=3.0)
    assert await db.erasure.erase_older_than(9e9, limit=9, now=9e9) == 1


async def test_all_of_a_person_comes_out_as_it_went_in(db: Database) -> None:
    """In order, page by page."""
    for nth in range(450):
        await db.jobs.add(job(f"j{nth}", user_id=1 + nth % 2))
    await done(db, "last")
    everything = [each async for each in db.erasure.jobs(1)]
    assert [each.id for each, _ in everything] == [f"j{n}" for n in range(0, 450, 2)] + ["last"]
    assert everything[-1][1] == await db.jobs.pictures("last")
    kept = await db.erasure.summary(1, now=300.0)
    assert (kept.jobs, kept.pictures, kept.sketches, kept.oldest_at) == (226, 1, 0, 100.0)


async def test_many_jobs_are_deleted_at_once(db: Database) -> None:
    """In one transaction, and the loop goes on meanwhile."""
    async with db._connection.transaction() as connection:
        await connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
            "INSERT INTO jobs (id, request, kind, person, channel, recipes, created_at, "
            "status, ended_at, delivered_at, attempt) SELECT 'j' || i, 'r' || i, 'imagine', 1, 2, "
            "(SELECT json_group_array(json_object('prompt', 'a quokka', 'source', null)) "
            "FROM (VALUES (1), (2), (3), (4))), 1e9, 'done', 1e9, 1e9, 1 FROM n"
        )
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    assert await db.erasure.erase_user(1, now=1e9) == 5000
    ticking.cancel()
    assert ticks > 1
    assert len(await db.file_deletions.all()) == 5000


# Files


async def settled(db: Database, *, stuck: Collection[str] = ()) -> tuple[list[str], int]:
    """What would be removed from disk, by name, and how many removals are left to do."""
    gone: list[str] = []

    async def remove(removals: Sequence[FileDeletion]) -> list[FileDeletion]:
        gone.extend(each.name for each in removals)
        return [each for each in removals if each.name not in stuck]

    left = await db.file_deletions.process(await db.file_deletions.all(), remove)
    return gone, left


async def test_a_sketch_goes_when_the_last_job_with_it_goes(db: Database) -> None:
    """Of two people; another sketch stays."""
    over_a = (recipe(source=A, strength=0.5),)
    await done(db, "j1", recipes=over_a)
    await done(db, "j2", recipes=over_a, user_id=2)
    await done(db, "j3", recipes=(recipe(source=B, strength=0.5),), user_id=2)
    await db.erasure.erase_user(1, now=300.0)
    assert await settled(db) == (["j1"], 0)
    await db.erasure.erase_older_than(9e9, limit=1, now=9e9)
    assert await settled(db) == (["j2", A], 0)


async def test_a_sketch_waits_for_those_that_are_being_fetched(db: Database) -> None:
    """One of them may be the same; when it is not, it goes."""
    await done(db, "j1", recipes=(recipe(source=A, strength=0.5),))
    await db.jobs.add(job("j2", user_id=2, sketch=Sketch(url="x", strength=0.5, keep_size=False)))
    await db.erasure.erase_user(1, now=300.0)
    assert await settled(db) == (["j1"], 1)
    await db.jobs.mark_queued("j2", (recipe(source=B, strength=0.5),))
    assert await settled(db) == ([A], 0)


async def test_a_sketch_in_doubt_stays_with_the_job_that_has_it(db: Database) -> None:
    """It is noted before it is saved, and struck once the job is queued with it."""
    await db.file_deletions.mark(FileDeletion(FileKind.SKETCH, A))
    await db.file_deletions.mark(FileDeletion(FileKind.SKETCH, A))
    await db.jobs.add(job())
    await db.jobs.mark_queued("j1", (recipe(source=A, strength=0.5),))
    assert await settled(db) == ([], 0)
    assert await db.file_deletions.all() == []


async def test_what_cannot_be_removed_stays_on_the_list(db: Database) -> None:
    """And is tried again."""
    await done(db, "j1")
    await done(db, "j2")
    await db.erasure.erase_user(1, now=300.0)
    assert await settled(db, stuck={"j2"}) == (["j1", "j2"], 1)
    assert await settled(db) == (["j2"], 0)


async def test_an_erased_row_reads_as_a_job(db: Database) -> None:
    """Wherever rows are read, a deleted one is no surprise."""
    await done(db, "j1")
    await db.jobs.add(job("j2"))
    await db.jobs.finish_without_pictures("j2", Status.CANCELLED, 2.0)
    await db.erasure.erase_user(1, now=300.0)
    assert [each.id for each in await db.jobs.undelivered()] == ["j2"]
    assert await db.jobs.pictures("j1") == [] and await db.jobs.picture("j1-1") is None
    assert await db.job_messages.find(hash("j1") % 2**40) is None
    assert (await found(db, "j1")).recipes[0].prompt == "(deleted)"


# What others need


async def reported(db: Database, name: str, *, at: float) -> None:
    """Somebody reports the job at this time."""
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
    """A moderator's."""
    return AuditEntry(
        created_at=at, guild_id=3, actor_id=8, action=AuditAction.DISMISSED, job_id="j1"
    )


@pytest.mark.parametrize("ending", [CaseState.DISMISSED, CaseState.REMOVED])
async def test_what_was_reported_waits_for_the_moderators(db: Database, ending: CaseState) -> None:
    """Nobody can delete the evidence against them; when they have looked at it, it goes."""
    await done(db, "j1")
    await done(db, "j2")
    await reported(db, "j1", at=250.0)
    assert (await db.erasure.summary(1, now=300.0)).under_review == 1
    assert await db.erasure.erase_user(1, now=300.0) == 1
    assert await db.erasure.erase_deferred(now=300.0) == 0
    assert await db.erasure.erase_older_than(9e9, limit=9, now=300.0) == 0
    assert (await found(db, "j1")).user_id == 1
    await db.reports.close("j1", ending, dismissal())
    assert await db.erasure.erase_deferred(now=401.0) == 1
    assert (await found(db, "j1")).deletion_reason is DeletionReason.REQUESTED
    assert await db.erasure.erase_deferred(now=402.0) == 0


async def test_moderators_who_never_look_hold_nothing_up_for_ever(db: Database) -> None:
    """It goes, and their case says that it has."""
    await done(db, "j1")
    await reported(db, "j1", at=250.0)
    await db.erasure.erase_user(1, now=300.0)
    assert await db.erasure.erase_deferred(now=249.0 + REVIEW_SECONDS) == 0
    assert await db.erasure.erase_deferred(now=250.0 + REVIEW_SECONDS) == 1
    case = await db.reports.case("j1")
    assert case is not None and case.state is CaseState.OPEN


async def test_moderators_log_is_forgotten_in_the_end(db: Database, tmp_path: Path) -> None:
    """Reports and cases, too; what is younger stays, and so do blocks."""
    await done(db, "j1")
    await done(db, "j2")
    await reported(db, "j1", at=0.0)
    await reported(db, "j2", at=50.0)
    await db.reports.close("j1", CaseState.DISMISSED, dismissal(at=10.0))
    await db.erasure.expire_all(now=AUDIT_DAYS * DAY + 20.0)
    assert [entry.created_at for entry in await db.audit_log.page(3, 1, 10)] == [50.0]
    assert await db.reports.case("j1") is None
    assert await db.reports.case("j2") is not None


async def test_what_was_used_counts_for_a_day(db: Database, tmp_path: Path) -> None:
    """Nobody gets another day's share by deleting; but of which job it was is forgotten."""
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
    await done(db, "j1")
    await charges.add(charge)
    await db.erasure.erase_user(1, now=300.0)
    late = UsageRecord(
        job_id="j1",
        attempt=2,
        user_id=1,
        seconds=1.0,
        created_at=301.0,
        revision="0",
        pixels=64,
        work=None,
    )
    await charges.add(late)
    assert [use.seconds for use in await charges.for_user(1, now=302.0)] == [5.0, 1.0]
    assert "j1" not in {row["job"] for row in query(tmp_path, "SELECT job FROM charges")}
    await db.erasure.expire_all(now=301.0 + DAY)
    assert query(tmp_path, "SELECT * FROM charges") == []
