"""The migration to one table of deliveries keeps what the bot knows of messages and requests."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from bot.db import migrations
from bot.db.database import FILENAME, Database
from bot.domain.delivery import Delivery, DeliveryKind
from bot.domain.job import ResponseTarget
from tests.bot_harness import query

BEFORE = 11
"""The last version with the old tables."""
OLD_RECIPE = {
    **{"model": "m", "revision": "r", "prompt": "a house", "negative": "", "seed": 7},
    **{"subseed": 0, "subseed_strength": 0.0, "steps": 9, "guidance": 1.0, "sampler": "ddim"},
    **{"width": 64, "height": 64, "row_class": 4},
}
RECIPES = msgspec.json.encode([OLD_RECIPE]).decode()
OLD_ROWS = """
INSERT INTO jobs (id, request, kind, status, person, channel, guild, message, application, token,
    reply_to, recipes, created_at, ended_at, delivered_at, reason) VALUES
    ('done', 'interaction:1', 'imagine', 'done', 1, 10, 5, 50, 3, NULL, NULL, '[{}]',
     100, 150, 151, NULL),
    ('late', 'reaction:1', 'imagine', 'failed', 1, 10, 5, 51, 3, 'secret', 9, '[{}]',
     100, 160, NULL, 'No.');
INSERT INTO job_messages VALUES (50, 'done', NULL), (49, 'done', NULL), (52, 'done', 2),
    (51, 'late', NULL);
INSERT INTO direct_messages VALUES (70, 11, 'done');
INSERT INTO pending_interactions VALUES (60, 3, 'hidden', 10, 'done', 3, 250);
INSERT INTO cases VALUES ('done', 5, 'open', NULL, NULL, 12, 80), ('late', 5, 'open', NULL, NULL,
    NULL, NULL);
INSERT INTO reports (job, channel, message, reporter, reason, at)
    VALUES ('done', 10, 50, 9, '', 300), ('late', 10, 51, 9, '', 301);
"""


@pytest.fixture
def old(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database of the last version with the old tables, with rows in each."""
    migrations.migrate(tmp_path / FILENAME, migrations.migrations()[:BEFORE])
    with closing(sqlite3.connect(tmp_path / FILENAME)) as connection:
        connection.executescript(OLD_ROWS)
        connection.execute("UPDATE jobs SET recipes = ?", (RECIPES,))
        connection.commit()
        yield connection


async def test_messages_and_requests_survive(old: sqlite3.Connection, tmp_path: Path) -> None:
    """Buttons, reactions, undelivered results and pictures, DMs and cards work as before."""
    migrations.migrate(tmp_path / FILENAME)
    assert old.execute("PRAGMA foreign_key_check").fetchall() == []
    async with Database(tmp_path / FILENAME) as db:
        for message_id, nth in ((50, None), (49, None), (52, 2)):
            shown = await db.deliveries.find(message_id)
            assert shown is not None and (shown.job.id, shown.nth) == ("done", nth)
        assert await db.deliveries.find(70) is None
        messages = await db.deliveries.messages_of_job("done")
        assert sorted(messages) == [(10, 49), (10, 50), (10, 52), (11, 70)]
        assert await db.deliveries.undelivered() == [
            Delivery(
                kind=DeliveryKind.RESULT,
                job_id="late",
                target=ResponseTarget(
                    channel_id=10,
                    guild_id=5,
                    message_id=51,
                    application_id=3,
                    token="secret",  # noqa: S106
                    reply_to_id=9,
                ),
                created_at=100.0,
            ),
            Delivery(
                kind=DeliveryKind.PICTURE,
                job_id="done",
                nth=3,
                request="60",
                target=ResponseTarget(channel_id=10, application_id=3, token="hidden"),  # noqa: S106
                created_at=250.0,
            ),
        ]
        job = await db.jobs.job("done")
        assert job is not None and (job.target.message_id, job.target.token) == (50, None)
        case = await db.reports.case("done", 5)
        assert case is not None and (case.card_channel_id, case.card_message_id) == (12, 80)
        assert await db.reports.without_card() == [("late", 5)]


@pytest.mark.usefixtures("old")
async def test_migrated_rows_are_delivered_and_erased(tmp_path: Path) -> None:
    """No token is left after that, and no message of a deleted job."""
    migrations.migrate(tmp_path / FILENAME)
    async with Database(tmp_path / FILENAME) as db:
        for delivery in await db.deliveries.undelivered():
            if delivery.kind is DeliveryKind.RESULT:
                await db.jobs.mark_delivered(delivery.job_id, now=400.0)
            else:
                await db.deliveries.complete(delivery, now=400.0)
        assert query(tmp_path, "SELECT 1 FROM deliveries WHERE token IS NOT NULL") == []
        entry_time = 300.0 + 10 * 365 * 86400
        assert await db.erasure.erase_user(1, now=entry_time) == 2
        await db.erasure.expire_all(now=entry_time)
        assert query(tmp_path, "SELECT 1 FROM deliveries") == []
