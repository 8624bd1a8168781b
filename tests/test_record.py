"""The connection to the record, when the disk or a lock gets in the way."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.ledger import Ledger
from bot.ledger.record import RecordTrouble
from bot.migrate import migrate
from tests.samples import job, recipe


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    """An empty record."""
    migrate(tmp_path / "imagine.db")
    async with Ledger(tmp_path / "imagine.db") as opened:
        yield opened


async def test_a_full_disk_is_said_and_nothing_is_changed(ledger: Ledger) -> None:
    """SQLite's own error for a full disk, by a limit on the file; with room again, it works."""
    ((pages,),) = await ledger.rows("PRAGMA page_count")
    await ledger.rows(f"PRAGMA max_page_count = {pages}")
    large = (recipe(prompt="x" * 1000, negative="y" * 1000),) * 4
    kept = 0
    with pytest.raises(RecordTrouble, match="disk is full"):
        while await ledger.add(job(f"j{kept}", recipes=large)):
            kept += 1
    assert await ledger.job(f"j{kept}") is None
    assert (await ledger.load(1)).all == kept
    await ledger.rows("PRAGMA max_page_count = 100000")
    assert await ledger.add(job(f"j{kept}", recipes=large))


async def test_a_lock_of_another_program_is_said(ledger: Ledger, tmp_path: Path) -> None:
    """Reading goes on meanwhile."""
    other = sqlite3.connect(tmp_path / "imagine.db", isolation_level=None)
    await ledger.rows("PRAGMA busy_timeout = 50")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RecordTrouble, match="locked by another program"):
        await ledger.add(job())
    assert await ledger.job("j1") is None
    other.execute("ROLLBACK")
    other.close()
    assert await ledger.add(job())


async def test_a_statement_that_is_wrong_is_no_trouble_of_the_disk(ledger: Ledger) -> None:
    """It is a mistake in the program, and is raised as what it is."""
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await ledger.rows("SELECT * FROM nonsense")
