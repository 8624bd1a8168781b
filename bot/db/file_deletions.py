"""Files to delete: listed in the transaction that makes them obsolete, deleted afterwards."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import ClassVar

import aiosqlite
import msgspec

from bot.db.connection import SqliteConnection, retry_until_written
from bot.db.store import Erasure, Store


class FileKind(StrEnum):
    """The kinds of files that are deleted."""

    PICTURES = "pictures"
    """All pictures of a job, and its artifacts."""
    SKETCH = "sketch"


class FileDeletion(msgspec.Struct, frozen=True):
    """Files to delete unless a job needs them by then."""

    kind: FileKind
    name: str
    """A job's id, or the sha256 of a sketch."""


DeleteFiles = Callable[[Sequence[FileDeletion]], Awaitable[Collection[FileDeletion]]]
"""Deletes files; returns those that are gone for good."""


class FileDeletionStore(Store):
    """Writes the table `file_deletions`.

    A file and its row change in three steps: the row is committed before the file is written, the
    file is deleted after it was found to be obsolete, and the row is deleted after the file. So a
    crash between two steps leaves a row that the next process handles, and never a file without
    one. The database is not locked while files are deleted.
    """

    retained_tables: ClassVar = {"file_deletions": "its rows are deleted with the files"}

    def __init__(self, connection: SqliteConnection) -> None:
        super().__init__(connection)
        self._files = asyncio.Lock()
        """Held while listed files are written or deleted."""

    @asynccontextmanager
    async def writing(self, deletion: FileDeletion) -> AsyncIterator[None]:
        """List a file for deletion, and write it in the body, while no file is deleted.

        It stays on the list until a job needs it.
        """
        async with self._files:
            await retry_until_written(lambda: self.mark(deletion))
            yield

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

        Uploads of the same sketches wait until it has returned.
        """
        async with self._files:
            obsolete, pending = await self._obsolete(deletions)
            deleted = await delete_files(obsolete) if obsolete else ()
            async with self._connection.transaction() as db:
                await _unlist(db, deleted)
        return len(pending) + len(obsolete) - len(deleted)

    async def _obsolete(
        self, deletions: Sequence[FileDeletion]
    ) -> tuple[list[FileDeletion], list[FileDeletion]]:
        """Those that no job needs, and those that a job may need soon; the others are unlisted.

        Unlisted here, and not after the deletion: the last job that needs a file may be erased
        meanwhile, which lists it again.
        """
        async with self._connection.transaction() as db:
            needed = [deletion for deletion in deletions if await _is_needed(db, deletion)]
            await _unlist(db, needed)
            sketches_pending = await _has_pending_sketches(db)
        unneeded = [deletion for deletion in deletions if deletion not in needed]
        pending = [
            deletion
            for deletion in unneeded
            if sketches_pending and deletion.kind is FileKind.SKETCH
        ]
        return [deletion for deletion in unneeded if deletion not in pending], pending


async def _unlist(db: aiosqlite.Connection, deletions: Collection[FileDeletion]) -> None:
    await db.executemany(
        "DELETE FROM file_deletions WHERE kind = ? AND name = ?",
        [(deletion.kind.value, deletion.name) for deletion in deletions],
    )


async def mark(db: aiosqlite.Connection, deletion: FileDeletion) -> None:
    """List files for deletion, in a transaction of the caller."""
    await db.execute(
        "INSERT OR IGNORE INTO file_deletions VALUES (?, ?)", (deletion.kind.value, deletion.name)
    )


async def mark_files_of_jobs(db: aiosqlite.Connection, erasure: Erasure) -> None:
    """List all files of jobs that are about to be erased."""
    values = {"job_ids": erasure.job_ids}
    await db.execute(
        "INSERT OR IGNORE INTO file_deletions "
        "SELECT 'sketch', sha256 FROM job_images "
        "WHERE job IN (SELECT value FROM json_each(:job_ids))",
        values,
    )
    await db.execute(
        "INSERT OR IGNORE INTO file_deletions SELECT 'pictures', id FROM jobs "
        "WHERE id IN (SELECT value FROM json_each(:job_ids)) AND attempt > 0",
        values,
    )


async def _is_needed(db: aiosqlite.Connection, deletion: FileDeletion) -> bool:
    if deletion.kind is FileKind.SKETCH:
        query = "SELECT 1 FROM job_images WHERE sha256 = :name"
    else:
        query = (
            "SELECT 1 FROM pictures WHERE job = :name AND path IS NOT NULL AND removed_at IS NULL "
            "UNION ALL SELECT 1 FROM artifacts "
            "WHERE job = :name AND path IS NOT NULL AND removed_at IS NULL "
            "UNION ALL SELECT 1 FROM jobs WHERE id = :name AND ended_at IS NULL"
        )
    return bool(await db.execute_fetchall(f"{query} LIMIT 1", {"name": deletion.name}))


async def _has_pending_sketches(db: aiosqlite.Connection) -> bool:
    """Whether the sketch of a job may be stored already, but is not yet in its recipes."""
    rows = await db.execute_fetchall("SELECT 1 FROM job_inputs WHERE url IS NOT NULL LIMIT 1")
    return bool(rows)
