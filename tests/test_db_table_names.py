"""The migration that renames tables keeps rows, constraints and indexes."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.db import migrations, rows
from bot.db.database import FILENAME, Database
from bot.db.file_deletions import FileDeletion, FileKind
from bot.domain.cost_model import Sample
from bot.domain.moderation import AuditAction, AuditEntry
from bot.domain.quota import Usage
from tests.bot_harness import query
from tests.samples import job

VERSION = 11
NEW_NAMES = {
    "presses": "pending_interactions",
    "posts": "job_messages",
    "letters": "direct_messages",
    "removals": "file_deletions",
    "wishes": "erasure_requests",
    "moderators": "mod_channels",
    "charges": "usage",
    "audit": "audit_log",
}
OLD_ROWS: dict[str, tuple[object, ...]] = {
    "presses": (60, 6, "secret", 10, "j1", 2, 250.0),
    "posts": (50, "j1", 2),
    "letters": (51, 11, "j1"),
    "removals": ("sketch", "a" * 64),
    "wishes": ("j1",),
    "moderators": (5, 12),
    "charges": ("j1", 1, 1, 3.5, 200.0, "r", 4096, 2.0),
    "audit": (7, 200.0, 5, 10, 9, "blocked", 1, "j1", "rude", "interaction:j1"),
}


@pytest.fixture
def old(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database with the old names, a finished job and a row in each renamed table."""
    migrations.migrate(tmp_path / FILENAME, migrations.migrations()[: VERSION - 1])
    columns = rows.from_job(job()) | {"status": "done", "ended_at": 200.0, "delivered_at": 201.0}
    del columns["plan"]
    with closing(sqlite3.connect(tmp_path / FILENAME)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        insert(connection, f"jobs ({', '.join(columns)})", tuple(columns.values()))
        for table, values in OLD_ROWS.items():
            insert(connection, table, values)
        yield connection


def insert(connection: sqlite3.Connection, table: str, values: tuple[object, ...]) -> None:
    """Insert and commit a row."""
    marks = ", ".join("?" * len(values))
    with connection:
        connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608 # our names


def tables(connection: sqlite3.Connection) -> dict[str, tuple[object, ...]]:
    """The columns, references and unnamed indexes of each table."""
    return {
        name: (
            connection.execute("SELECT * FROM pragma_table_info(?)", (name,)).fetchall(),
            connection.execute("SELECT * FROM pragma_foreign_key_list(?)", (name,)).fetchall(),
            indexes(connection, name),
        )
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    }


def indexes(connection: sqlite3.Connection, table: str) -> list[object]:
    """For each index: whether it is unique, its origin, whether it is partial, and its columns."""
    lines = connection.execute(
        'SELECT name, "unique", origin, partial FROM pragma_index_list(?)', (table,)
    ).fetchall()
    columns = "SELECT name FROM pragma_index_info(?) ORDER BY seqno"
    descriptions = [
        (*kind, connection.execute(columns, (name,)).fetchall()) for name, *kind in lines
    ]
    return sorted(descriptions, key=repr)


def test_all_rows_survive(old: sqlite3.Connection, tmp_path: Path) -> None:
    """They are in the tables with the new names; the old tables are dropped."""
    migrations.migrate(tmp_path / FILENAME, migrations.migrations()[:VERSION])
    for table, values in OLD_ROWS.items():
        stored = query(tmp_path, f"SELECT * FROM {NEW_NAMES[table]}")  # noqa: S608 # our names
        assert [tuple(row) for row in stored] == [values]
    assert not NEW_NAMES.keys() & tables(old).keys()
    assert old.execute("PRAGMA foreign_key_check").fetchall() == []
    assert old.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_columns_references_and_indexes_survive(old: sqlite3.Connection, tmp_path: Path) -> None:
    """Each table has the same ones, and no index has the name of an old table."""
    before = {NEW_NAMES.get(name, name): parts for name, parts in tables(old).items()}
    migrations.migrate(tmp_path / FILENAME, migrations.migrations()[:VERSION])
    assert tables(old) == before
    names = old.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    assert all(name.startswith(tuple(before)) for (name,) in names)


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("job_messages", (70, "nobody", None)),
        ("direct_messages", (70, 10, "nobody")),
        ("erasure_requests", ("nobody",)),
        ("file_deletions", ("sketch", "../x")),
        ("usage", ("j1", 2, 1, -1.0, 200.0, "r", 4096, None)),
        ("audit_log", (8, 1.0, 5, 10, 9, "other", 1, "j1", "rude", None)),
        ("audit_log", (8, 1.0, 5, 10, 9, "blocked", 1, "j1", "rude", "interaction:j1")),
    ],
)
def test_constraints_hold(
    old: sqlite3.Connection, tmp_path: Path, table: str, values: tuple[object, ...]
) -> None:
    """A row that breaks a reference, a check or a unique key is refused."""
    migrations.migrate(tmp_path / FILENAME, migrations.migrations()[:VERSION])
    with pytest.raises(sqlite3.IntegrityError):
        insert(old, table, values)


@pytest.mark.usefixtures("old")
async def test_the_stores_read_the_rows(tmp_path: Path) -> None:
    """Each store returns the values that were stored under the old name."""
    migrations.migrate(tmp_path / FILENAME)
    async with Database(tmp_path / FILENAME) as db:
        [pending] = await db.deliveries.undelivered()
        assert (pending.request, pending.job_id, pending.nth) == ("60", "j1", 2)
        shown = await db.deliveries.find(50)
        assert shown is not None and shown.job.id == "j1" and shown.nth == 2
        assert await db.deliveries.messages_of_job("j1") == [(10, 50), (11, 51)]
        assert await db.file_deletions.all() == [FileDeletion(FileKind.SKETCH, "a" * 64)]
        assert (await db.guild_settings.get(5)).mod_channel_id == 12
        assert await db.usage.for_user(1, now=201.0) == [Usage(200.0, 3.5)]
        assert await db.usage.cost_samples("r") == [Sample(4096, 2.0, 3.5, "r")]
        entry = AuditEntry(
            created_at=200.0,
            guild_id=5,
            actor_id=9,
            action=AuditAction.BLOCKED,
            detail="rude",
            channel_id=10,
            target_id=1,
            job_id="j1",
            idempotency_key="interaction:j1",
        )
        assert await db.audit_log.page(5, 1, 10) == [entry]
        assert await db.erasure.erase_deferred(now=300.0) == 1
        assert query(tmp_path, "SELECT * FROM erasure_requests") == []
