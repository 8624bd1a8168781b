"""Deleting files that no job needs."""

import asyncio
from collections.abc import Collection, Sequence

import pytest

from bot.db.database import Database
from bot.db.file_deletions import FileDeletion, FileKind
from bot.domain.job_input import InputRole, PlanInput
from engine.contract import Img2Img
from tests.samples import job, recipe
from tests.stored_jobs import delivered_job

A, B = "a" * 64, "b" * 64


async def process_files(db: Database, *, stuck: Collection[str] = ()) -> tuple[list[str], int]:
    """The names of the files that were deleted, and the number of deletions still listed."""
    deleted: list[str] = []

    async def remove(removals: Sequence[FileDeletion]) -> list[FileDeletion]:
        deleted.extend(item.name for item in removals)
        return [item for item in removals if item.name not in stuck]

    remaining = await db.file_deletions.process(await db.file_deletions.all(), remove)
    return deleted, remaining


async def test_a_sketch_is_deleted_with_the_last_job_that_uses_it(db: Database) -> None:
    """The two jobs may belong to different users; another sketch stays."""
    over_a = (recipe(source=Img2Img(A, 0.5)),)
    await delivered_job(db, "j1", recipes=over_a)
    await delivered_job(db, "j2", recipes=over_a, user_id=2)
    await delivered_job(db, "j3", recipes=(recipe(source=Img2Img(B, 0.5)),), user_id=2)
    await db.erasure.erase_user(1, now=300.0)
    assert await process_files(db) == (["j1"], 0)
    await db.erasure.erase_older_than(9e9, limit=1, now=9e9)
    assert await process_files(db) == (["j2", A], 0)


async def test_a_sketch_stays_while_sketches_are_downloaded(db: Database) -> None:
    """A download may produce the same file."""
    await delivered_job(db, "j1", recipes=(recipe(source=Img2Img(A, 0.5)),))
    sketch = PlanInput(role=InputRole.SKETCH, url="x")
    await db.jobs.add(job("j2", user_id=2), inputs=[sketch])
    await db.erasure.erase_user(1, now=300.0)
    assert await process_files(db) == (["j1"], 1)
    await db.jobs.mark_queued("j2", (recipe(source=Img2Img(B, 0.5)),), [B])
    assert await process_files(db) == ([A], 0)


async def test_a_listed_sketch_stays_if_a_job_uses_it(db: Database) -> None:
    """The entry is made before the file is stored, and removed once a job uses the file."""
    await db.file_deletions.mark(FileDeletion(FileKind.SKETCH, A))
    await db.file_deletions.mark(FileDeletion(FileKind.SKETCH, A))
    await db.jobs.add(job())
    await db.jobs.mark_queued("j1", (recipe(source=Img2Img(A, 0.5)),))
    assert await process_files(db) == ([], 0)
    assert await db.file_deletions.all() == []


async def test_files_that_cannot_be_deleted_stay_listed(db: Database) -> None:
    """The next call tries them again."""
    await delivered_job(db, "j1")
    await delivered_job(db, "j2")
    await db.erasure.erase_user(1, now=300.0)
    assert await process_files(db, stuck={"j2"}) == (["j1", "j2"], 1)
    assert await process_files(db) == (["j2"], 0)


async def test_a_crash_after_the_deletion_leaves_the_list(db: Database) -> None:
    """The files are gone already; the next process tries again and clears the list."""
    await delivered_job(db, "j1")
    await db.erasure.erase_user(1, now=300.0)

    async def crash(_: Sequence[FileDeletion]) -> list[FileDeletion]:
        raise OSError("the process was killed")

    with pytest.raises(OSError, match="killed"):
        await db.file_deletions.process(await db.file_deletions.all(), crash)
    assert await process_files(db) == (["j1"], 0)
    assert await db.file_deletions.all() == []


async def test_jobs_are_accepted_while_files_are_deleted(db: Database) -> None:
    """The database is not locked by a slow disk."""
    await delivered_job(db, "j1")
    await db.erasure.erase_user(1, now=300.0)

    async def accept_job(obsolete: Sequence[FileDeletion]) -> Sequence[FileDeletion]:
        assert await db.jobs.add(job("j2", user_id=2))
        return obsolete

    assert await db.file_deletions.process(await db.file_deletions.all(), accept_job) == 0


async def test_a_file_is_not_written_while_it_is_deleted(db: Database) -> None:
    """Otherwise the deletion would take the new file, or its row."""
    sketch, events = FileDeletion(FileKind.SKETCH, A), list[str]()
    await db.file_deletions.mark(sketch)
    started = asyncio.Event()

    async def write() -> None:
        await started.wait()
        async with db.file_deletions.writing(sketch):
            events.append("written")

    async def delete(obsolete: Sequence[FileDeletion]) -> Sequence[FileDeletion]:
        started.set()
        await db.jobs.add(job())  # lets the other task run
        events.append("deleted")
        return obsolete

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        await db.file_deletions.process([sketch], delete)
    assert events == ["deleted", "written"]
    assert await db.file_deletions.all() == [sketch]


async def test_a_sketch_whose_last_job_is_erased_meanwhile_stays_listed(db: Database) -> None:
    """The deletion had found that the job needs it."""
    await delivered_job(db, "j1")
    await delivered_job(db, "j2", recipes=(recipe(source=Img2Img(A, 0.5)),), user_id=2)
    await db.file_deletions.mark(FileDeletion(FileKind.SKETCH, A))
    await db.erasure.erase_user(1, now=300.0)

    async def erase(obsolete: Sequence[FileDeletion]) -> Sequence[FileDeletion]:
        await db.erasure.erase_user(2, now=300.0)
        return obsolete

    assert await db.file_deletions.process(await db.file_deletions.all(), erase) == 0
    assert await process_files(db) == (["j2", A], 0)
