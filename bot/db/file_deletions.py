"""Files to delete: listed in the transaction that makes them obsolete, deleted afterwards."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from enum import StrEnum
from typing import ClassVar, Final

import aiosqlite
import msgspec

from bot.db.store import JOB_IDS, Erasure, Store

SOURCE: Final = "json_extract(recipes, '$[0].source')"
"""In SQL: the sha256 of a job's sketch."""


class FileKind(StrEnum):
    """The kinds of files that are deleted."""

    PICTURES = "pictures"
    """All pictures of a job."""
    SKETCH = "sketch"


class FileDeletion(msgspec.Struct, frozen=True):
    """Files to delete unless a job needs them by then."""

    kind: FileKind
    name: str
    """A job's id, or the sha256 of a sketch."""


DeleteFiles = Callable[[Sequence[FileDeletion]], Awaitable[Collection[FileDeletion]]]
"""Deletes files; returns those that are gone for good."""


class FileDeletionStore(Store):
    """Writes the table `file_deletions`."""

    retained_tables: ClassVar = {"file_deletions": "its rows are deleted with the files"}

    async def mark(self, deletion: FileDeletion) -> None:
        """List files for deletion."""
        async with self._connection.transaction() as db:
            await mark(db, deletion)

    async def all(self) -> list[FileDeletion]:
        """All listed files."""
        rows = await self._connection.fetch_all("SELECT kind, name FROM file_deletions")
        return [FileDeletion(FileKind(row["kind"]), row["name"]) for row in rows]

    async def process(self, deletions: Sequence[FileDeletion], delete_files: DeleteFiles) -> int:
        """Call `delete_files` with those that no job needs; the number that stay on the list.

        The database is locked meanwhile, so that no job can begin to need one of them.
        """
        async with self._connection.transaction() as db:
            needed = [deletion for deletion in deletions if await _is_needed(db, deletion)]
            sketches_pending = await _has_pending_sketches(db)
            obsolete = [
                deletion
                for deletion in deletions
                if deletion not in needed
                and (deletion.kind is FileKind.PICTURES or not sketches_pending)
            ]
            done = [*needed, *await delete_files(obsolete)]
            await db.executemany(
                "DELETE FROM file_deletions WHERE kind = ? AND name = ?",
                [(deletion.kind.value, deletion.name) for deletion in done],
            )
        return len(deletions) - len(done)


async def mark(db: aiosqlite.Connection, deletion: FileDeletion) -> None:
    """List files for deletion, in a transaction of the caller."""
    await db.execute(
        "INSERT OR IGNORE INTO file_deletions VALUES (?, ?)", (deletion.kind.value, deletion.name)
    )


async def mark_files_of_jobs(db: aiosqlite.Connection, erasure: Erasure) -> None:
    """List all files of jobs that are about to be erased."""
    values = {"job_ids": erasure.job_ids}
    await db.execute(
        f"INSERT OR IGNORE INTO file_deletions SELECT 'sketch', {SOURCE} FROM jobs "  # noqa: S608 # ours
        f"WHERE id IN {JOB_IDS} AND {SOURCE} IS NOT NULL",
        values,
    )
    await db.execute(
        "INSERT OR IGNORE INTO file_deletions SELECT 'pictures', id FROM jobs "  # noqa: S608 # ours
        f"WHERE id IN {JOB_IDS} AND attempt > 0",
        values,
    )


async def _is_needed(db: aiosqlite.Connection, deletion: FileDeletion) -> bool:
    if deletion.kind is FileKind.SKETCH:
        query = f"SELECT 1 FROM jobs WHERE {SOURCE} = :name"  # noqa: S608 # ours
    else:
        query = (
            "SELECT 1 FROM pictures WHERE job = :name AND path IS NOT NULL AND removed_at IS NULL "
            "UNION ALL SELECT 1 FROM jobs WHERE id = :name AND ended_at IS NULL"
        )
    return bool(await db.execute_fetchall(f"{query} LIMIT 1", {"name": deletion.name}))


async def _has_pending_sketches(db: aiosqlite.Connection) -> bool:
    """Whether the sketch of a job may be stored already, but is not yet in its recipes."""
    rows = await db.execute_fetchall(
        "SELECT 1 FROM jobs WHERE status = 'accepted' AND ended_at IS NULL AND sketch IS NOT NULL"
    )
    return bool(rows)
