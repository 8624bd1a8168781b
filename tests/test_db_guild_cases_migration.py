"""The migration to cases of guilds, and to galleries that remember what was withdrawn."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.db import migrations, rows
from bot.db.database import FILENAME, Database
from tests.bot_harness import query
from tests.samples import job
from tests.test_db_table_names import insert

BEFORE = 24
"""The last version in which a job had one case."""
OTHER_GALLERY = 13
COLUMNS = "id, kind, job, nth, channel, guild, message, request, created_at, delivered_at"
DELIVERIES = f"""
INSERT INTO deliveries ({COLUMNS}) VALUES
    (1, 'result', 'j1', NULL, 10, 5, 50, NULL, 100, 151),
    (2, 'card', 'j1', NULL, 14, 5, 80, NULL, 300, 301),
    -- withdrawn, and posted again
    (3, 'withdrawal', 'j1', 1, 12, 5, 60, NULL, 310, 311),
    (4, 'gallery', 'j1', 1, 12, 5, 61, NULL, 320, 321),
    -- to be withdrawn, and posted again
    (5, 'withdrawal', 'j1', 2, 12, 5, 62, 'withdrawal:62', 330, NULL),
    (6, 'gallery', 'j1', 2, 12, 5, 63, NULL, 340, 341),
    -- to be withdrawn, and about to be posted again
    (7, 'withdrawal', 'j1', 3, 12, 5, 64, 'withdrawal:64', 350, NULL),
    (8, 'gallery', 'j1', 3, 12, 5, NULL, 'reaction:1', 360, NULL),
    -- others
    (9, 'withdrawal', 'j1', NULL, 12, 5, 65, NULL, 370, 371),
    (10, 'gallery', 'j1', 1, 13, 6, 66, NULL, 380, 381);
"""  # noqa: S608 # ours


@pytest.fixture
def old(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database of the version before, with a reported job and posts that came back."""
    migrations.migrate(tmp_path / FILENAME, migrations.migrations()[:BEFORE])
    columns = rows.from_job(job()) | {"status": "done", "ended_at": 150.0, "delivered_at": 151.0}
    with closing(sqlite3.connect(tmp_path / FILENAME)) as connection:
        insert(connection, f"jobs ({', '.join(columns)})", tuple(columns.values()))
        connection.executescript(DELIVERIES)
        insert(connection, "cases", ("j1", 5, "dismissed", 8, 302.0))
        for name, reporter in (("rude", 9), ("ugly", 7)):
            insert(connection, "reports", (None, "j1", 10, 50, None, reporter, name, 300.0))
        yield connection


async def test_cases_and_cards_survive(old: sqlite3.Connection, tmp_path: Path) -> None:
    """In the guild that they were in; another guild may have a case of its own."""
    migrations.migrate(tmp_path / FILENAME)
    assert old.execute("PRAGMA foreign_key_check").fetchall() == []
    async with Database(tmp_path / FILENAME) as db:
        case = await db.reports.case("j1", 5)
        assert case is not None and case.moderator_id == 8
        assert [report.reason for report in case.reports] == ["rude", "ugly"]
        assert (case.card_channel_id, case.card_message_id) == (14, 80)
        assert await db.reports.case("j1", 6) is None
        shown = await db.deliveries.find(66)
        assert shown is not None and (shown.channel_id, shown.guild_id) == (OTHER_GALLERY, 6)


@pytest.mark.usefixtures("old")
async def test_each_picture_has_one_row_in_a_gallery(tmp_path: Path) -> None:
    """What is to be deleted still is, and no message is forgotten that may exist."""
    migrations.migrate(tmp_path / FILENAME)
    stored = query(tmp_path, "SELECT * FROM deliveries WHERE channel IN (12, 13) ORDER BY id")
    assert [(row["id"], row["kind"], row["nth"]) for row in stored] == [
        (4, "gallery", 1),
        (5, "withdrawal", 2),
        (6, "superseded", None),
        (7, "withdrawal", 3),
        (9, "withdrawal", None),
        (10, "gallery", 1),
    ]
    async with Database(tmp_path / FILENAME) as db:
        undelivered = await db.deliveries.undelivered()
        assert [item.target.message_id for item in undelivered] == [62, 64]
        messages = await db.deliveries.messages_of_job("j1")
        assert {61, 63, 66} <= {message_id for _, message_id in messages}
        await db.deliveries.withdraw("j1", now=400.0)
        assert len(await db.deliveries.undelivered()) == 4
