"""A full disk, locks of other processes, and SQL errors."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.db.connection import DatabaseUnavailable, SqliteConnection
from bot.db.database import Database
from bot.db.jobs import JobStore
from tests.bot_harness import eventually
from tests.new_database import create_database
from tests.samples import job, recipe


async def test_a_full_disk_changes_nothing(db: Database) -> None:
    """Writes raise DatabaseUnavailable until there is room again."""
    ((pages,),) = await db._connection.fetch_all("PRAGMA page_count")
    await db._connection.fetch_all(f"PRAGMA max_page_count = {pages}")
    large = (recipe(prompt="x" * 1000, negative="y" * 1000),) * 4
    count = 0
    with pytest.raises(DatabaseUnavailable, match="disk is full"):
        while await db.jobs.add(job(f"j{count}", recipes=large)):
            count += 1
    assert await db.jobs.job(f"j{count}") is None
    assert (await db.jobs.queue_depth(1)).total == count
    await db._connection.fetch_all("PRAGMA max_page_count = 100000")
    assert await db.jobs.add(job(f"j{count}", recipes=large))


async def test_a_lock_prevents_writes_only(db: Database, tmp_path: Path) -> None:
    """Reads still succeed."""
    locker = sqlite3.connect(tmp_path / "imagine.db", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable, match="locked by another program"):
        await db.jobs.add(job())
    assert await db.jobs.job("j1") is None
    locker.execute("ROLLBACK")
    locker.close()
    assert await db.jobs.add(job())


async def test_a_wrong_statement_raises_the_error_of_sqlite(db: Database) -> None:
    """It is a bug, not a failure of the disk, so it is not translated."""
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await db._connection.fetch_all("SELECT * FROM nonsense")


async def test_a_wrong_use_of_sqlite_raises_its_error(db: Database) -> None:
    """Errors of Python's module, for example after a disconnection, have no name of SQLite."""
    with pytest.raises(sqlite3.ProgrammingError, match="bindings"):
        await db._connection.fetch_all("SELECT ?")


async def test_waiting_writes_block_no_reads(tmp_path: Path) -> None:
    """Many writes wait at the same time and succeed once the lock is released."""
    path = create_database(tmp_path)
    async with SqliteConnection(path, lock_seconds=60.0) as connection:
        jobs, statements = JobStore(connection, lambda _: None), list[str]()
        await connection.raw.set_trace_callback(statements.append)
        with closing(sqlite3.connect(path, isolation_level=None)) as locker:
            locker.execute("BEGIN IMMEDIATE")
            adding = [asyncio.create_task(jobs.add(job(f"j{n}"))) for n in range(20)]
            await eventually(lambda: statements.count("BEGIN IMMEDIATE") > len(adding))
            assert await jobs.job("j1") is None
            locker.execute("ROLLBACK")
        assert await asyncio.gather(*adding) == [True] * 20
