"""The connection to the record, when the disk or a lock gets in the way."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.db import connection
from bot.db.connection import DatabaseUnavailable
from bot.db.database import Database
from bot.db.migrations import migrate
from tests.samples import job, recipe


@pytest.fixture
def long_lock_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is opened afterwards waits long for a lock, even on a busy machine."""
    monkeypatch.setattr(connection, "LOCK_SECONDS", 60.0)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty record."""
    migrate(tmp_path / "imagine.db")
    async with Database(tmp_path / "imagine.db") as db:
        yield db


async def test_a_full_disk_is_said_and_nothing_is_changed(db: Database) -> None:
    """SQLite's own error for a full disk, by a limit on the file; with room again, it works."""
    ((pages,),) = await db._connection.fetch_all("PRAGMA page_count")
    await db._connection.fetch_all(f"PRAGMA max_page_count = {pages}")
    large = (recipe(prompt="x" * 1000, negative="y" * 1000),) * 4
    kept = 0
    with pytest.raises(DatabaseUnavailable, match="disk is full"):
        while await db.jobs.add(job(f"j{kept}", recipes=large)):
            kept += 1
    assert await db.jobs.job(f"j{kept}") is None
    assert (await db.jobs.queue_depth(1)).total == kept
    await db._connection.fetch_all("PRAGMA max_page_count = 100000")
    assert await db.jobs.add(job(f"j{kept}", recipes=large))


async def test_a_lock_of_another_program_is_said(db: Database, tmp_path: Path) -> None:
    """Reading goes on meanwhile."""
    other = sqlite3.connect(tmp_path / "imagine.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable, match="locked by another program"):
        await db.jobs.add(job())
    assert await db.jobs.job("j1") is None
    other.execute("ROLLBACK")
    other.close()
    assert await db.jobs.add(job())


async def test_a_statement_that_is_wrong_is_no_trouble_of_the_disk(db: Database) -> None:
    """It is a mistake in the program, and is raised as what it is."""
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await db._connection.fetch_all("SELECT * FROM nonsense")


@pytest.mark.usefixtures("long_lock_timeout")
async def test_who_waits_for_a_lock_holds_up_nobody(db: Database, tmp_path: Path) -> None:
    """Many changes wait beside each other, and are made when the lock goes."""
    with closing(sqlite3.connect(tmp_path / "imagine.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        adding = [asyncio.create_task(db.jobs.add(job(f"j{n}"))) for n in range(20)]
        await asyncio.sleep(0.2)
        assert await db.jobs.job("j1") is None
        other.execute("ROLLBACK")
    assert await asyncio.gather(*adding) == [True] * 20
