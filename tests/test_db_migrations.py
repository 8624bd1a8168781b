"""Opening and migrating the database."""

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bot.db import migrations, rows
from bot.db.tables import Value, insert_sql
from bot.errors import ExitCode, FatalError
from engine.contract import Img2Img, Subseed
from tests.samples import job, picture, recipe

STEPS = [
    migrations.Migration(1, "CREATE TABLE a (x INTEGER) STRICT;"),
    migrations.Migration(2, "ALTER TABLE a ADD COLUMN y TEXT;"),
]


def test_the_schema_file_is_up_to_date() -> None:
    """`python -m bot.db.migrations` writes it."""
    assert migrations.SCHEMA.read_text(encoding="utf-8") == migrations.schema()


def test_comments_of_the_schema_stand_with_their_columns() -> None:
    """A column that SQLite put before another's comment has its own."""
    lines = migrations.schema().splitlines()
    assert not [line for line in lines if re.search(r", [a-z_]+ (TEXT|INTEGER|REAL)\b.* -- ", line)]


def test_all_tables_are_strict() -> None:
    """SQLite checks types in strict tables only."""
    schema_db = sqlite3.connect(":memory:")
    schema_db.executescript(migrations.schema())
    tables = schema_db.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'")
    strict = {name: strict for name, strict in tables if not name.startswith("sqlite_")}
    schema_db.close()
    assert set(strict) >= {"jobs", "pictures", "deliveries"}
    assert all(strict.values())


def test_a_new_database_gets_all_migrations(tmp_path: Path) -> None:
    """A second call changes nothing."""
    path = tmp_path / "a.db"
    for _ in range(2):
        migrations.migrate(path)
    assert version(path) == len(migrations.migrations())


def version(path: Path) -> int:
    """The `user_version` of the database."""
    connection = sqlite3.connect(path)
    number: int = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return number


def test_an_old_database_keeps_its_rows(tmp_path: Path) -> None:
    """The missing migrations alone are applied."""
    path = tmp_path / "a.db"
    migrations.migrate(path, STEPS[:1])
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO a VALUES (7)")
    connection.commit()
    migrations.migrate(path, STEPS)
    assert connection.execute("SELECT x, y FROM a").fetchall() == [(7, None)]
    connection.close()
    assert version(path) == 2


OLD_RECIPE: dict[str, Any] = {
    "model": "flat",
    "revision": "0" * 40,
    "prompt": "a red house",
    "negative": "",
    "seed": 7,
    "subseed": 0,
    "subseed_strength": 0.0,
    "steps": 4,
    "guidance": 5.0,
    "sampler": "euler",
    "width": 64,
    "height": 64,
    "source": None,
    "strength": None,
    "adapters": [],
    "row_class": 8,
}
"""A recipe as it was stored before version 12."""
OLD_CHANGES: list[dict[str, Any]] = [
    {},
    {"seed": 8, "subseed": 3, "subseed_strength": 0.1 + 0.2},
    {"seed": 9, "subseed": 3, "negative": 'a "quote"', "guidance": 7.000000000000001},
    {"seed": 10, "source": "b" * 64, "strength": 0.7000000000000001, "row_class": 4},
]
"""The recipes of an old job, by what they change."""
NEW_RECIPES = (
    recipe(),
    recipe(seed=8, subseeds=(Subseed(3, 0.1 + 0.2),)),
    recipe(seed=9, negative='a "quote"', guidance=7.000000000000001),
    recipe(seed=10, source=Img2Img("b" * 64, 0.7000000000000001), row_class=4),
)


def old_job(name: str) -> dict[str, Value]:
    """The columns of a finished job of version 1."""
    return {
        "id": name,
        "request": f"interaction:{name}",
        "kind": "imagine",
        "status": "done",
        "person": 1,
        "channel": 10,
        "recipes": rows.json([OLD_RECIPE | changes for changes in OLD_CHANGES]),
        "created_at": 100.0,
        "ended_at": 105.0,
    }


def old_picture(name: str, nth: int, **changes: Value) -> dict[str, Value]:
    """The columns of a picture of version 1; another row class was used than planned."""
    settings = OLD_RECIPE | OLD_CHANGES[nth - 1] | {"adapters": "[]", "row_class": 16}
    columns: dict[str, Value] = {
        "id": f"{name}-{nth}",
        "job": name,
        "nth": nth,
        "sha256": "a" * 64,
        "path": f"pictures/{name}/{nth}.png",
        "blocked": 0,
        "fingerprint": "flat colours",
    }
    return columns | settings | changes


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that enforces references."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    yield connection
    connection.close()


@pytest.mark.parametrize("old_version", [1, 9, 11])
def test_recipes_of_old_versions_keep_their_values(tmp_path: Path, old_version: int) -> None:
    """Numbers keep all digits, and of a picture the row class that was used."""
    path = tmp_path / "a.db"
    migrations.migrate(path, migrations.migrations()[:old_version])
    with opened(path) as connection:
        for name in ("z", "a"):
            insert(connection, "jobs", old_job(name))
        for nth in (1, 2, 3, 4):
            insert(connection, "pictures", old_picture("z", nth))
        insert(connection, "pictures", old_picture("a", 1, blocked=1, path=None))
        if old_version > 1:
            lost = {"failed": "Too bright.", "sha256": None, "path": None}
            insert(connection, "pictures", old_picture("a", 2, **lost))
    migrations.migrate(path)
    with opened(path) as connection:
        jobs = [rows.to_job(row) for row in connection.execute(f"{rows.JOBS} ORDER BY jobs.rowid")]
        stored = [rows.to_picture(row) for row in connection.execute("SELECT * FROM pictures")]
        images = connection.execute("SELECT job, sha256 FROM job_images ORDER BY job").fetchall()
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert [(stored_job.id, stored_job.recipes) for stored_job in jobs] == [
        ("z", NEW_RECIPES),
        ("a", NEW_RECIPES),
    ]
    assert [item.recipe for item in stored[:4]] == [
        msgspec.structs.replace(new, row_class=16) for new in NEW_RECIPES
    ]
    assert {(item.sha256, item.file_sha256) for item in stored[:5]} == {(None, "a" * 64)}
    assert stored[4].is_withheld and not stored[4].is_flagged_but_kept and stored[4].path is None
    assert [item.failure_reason for item in stored[5:]] == ["Too bright."] * (old_version > 1)
    assert list(map(tuple, images)) == [("a", "b" * 64), ("z", "b" * 64)]


def test_old_columns_of_pictures_stay(tmp_path: Path) -> None:
    """Queries from outside read them."""
    path = tmp_path / "a.db"
    migrations.migrate(path, migrations.migrations()[:11])
    with opened(path) as connection:
        insert(connection, "jobs", old_job("z"))
        for nth in (2, 4):
            insert(connection, "pictures", old_picture("z", nth))
    migrations.migrate(path)
    with opened(path) as connection:
        both = connection.execute(
            "SELECT model, prompt, seed, subseed, subseed_strength, steps, guidance, sampler, "
            "width, height, strength FROM pictures ORDER BY nth"
        )
        assert list(map(tuple, both)) == [
            ("flat", "a red house", 8, 3, 0.1 + 0.2, 4, 5.0, "euler", 64, 64, None),
            ("flat", "a red house", 10, 0, 0.0, 4, 5.0, "euler", 64, 64, 0.7000000000000001),
        ]


def test_an_erased_job_of_an_old_version_stays_erased(tmp_path: Path) -> None:
    """Its recipes are still blank."""
    path = tmp_path / "a.db"
    migrations.migrate(path, migrations.migrations()[:11])
    blank = {"prompt": "(deleted)", "seed": 0, "subseed_strength": 0.15}
    erased: dict[str, Value] = {
        "request": "erased:z",
        "person": 0,
        "channel": 0,
        "erased": "wish",
        "delivered_at": 106.0,
        "recipes": rows.json([OLD_RECIPE | blank]),
    }
    with opened(path) as connection:
        insert(connection, "jobs", old_job("z") | erased)
    migrations.migrate(path)
    with opened(path) as connection:
        [row] = connection.execute(rows.JOBS)
        assert rows.to_job(row).recipes == (
            recipe(prompt="(deleted)", seed=0, subseeds=(Subseed(0, 0.15),)),
        )


def test_jobs_before_the_free_kinds_keep_order_and_references(tmp_path: Path) -> None:
    """The table is copied, because it had a list of kinds."""
    path = tmp_path / "a.db"
    migrations.migrate(path, migrations.migrations()[:9])
    with opened(path) as connection:
        for name in ("z", "a"):
            insert(connection, "jobs", old_job(name))
        insert(connection, "pictures", old_picture("z", 1))
        with pytest.raises(sqlite3.IntegrityError):
            insert(connection, "jobs", old_job("b") | {"kind": "mirror"})
    migrations.migrate(path)
    with opened(path) as connection:
        ids = connection.execute("SELECT id FROM jobs ORDER BY rowid").fetchall()
        assert list(map(tuple, ids)) == [("z",), ("a",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            insert(connection, "pictures", rows.from_picture(picture("gone")))
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            connection.execute("DELETE FROM jobs WHERE id = 'z'")
        insert(connection, "jobs", rows.from_job(job("b")) | {"kind": "mirror"})


def insert(connection: sqlite3.Connection, table: str, columns: Mapping[str, Value]) -> None:
    """Insert a row."""
    connection.execute(insert_sql(table, columns), columns)


def test_a_failed_migration_is_rolled_back(tmp_path: Path) -> None:
    """The database keeps the version that it had before the migration."""
    path = tmp_path / "a.db"
    broken = migrations.Migration(2, "ALTER TABLE a ADD COLUMN y TEXT; SELECT nonsense;")
    with pytest.raises(FatalError, match="cannot be used"):
        migrations.migrate(path, [STEPS[0], broken])
    assert version(path) == 1
    migrations.migrate(path, STEPS)
    assert version(path) == 2


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """The error has its own exit code."""
    path = tmp_path / "a.db"
    migrations.migrate(path, STEPS)
    with pytest.raises(FatalError, match="of version 2, made by a newer bot") as exc_info:
        migrations.migrate(path, STEPS[:1])
    assert exc_info.value.exit is ExitCode.DATABASE_NEWER
    assert version(path) == 2


def test_a_locked_database_is_refused(tmp_path: Path) -> None:
    """The error is raised after a timeout."""
    path = tmp_path / "a.db"
    migrations.migrate(path)
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    with pytest.raises(FatalError, match="locked by another program") as exc_info:
        migrations.migrate(path, lock_seconds=0.05)
    lock.close()
    assert exc_info.value.exit is ExitCode.DATABASE_LOCKED


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Its content is not changed."""
    path = tmp_path / "a.db"
    path.write_text("These are my holiday photos." * 100)
    with pytest.raises(FatalError, match="not a database") as exc_info:
        migrations.migrate(path)
    assert exc_info.value.exit is ExitCode.DATABASE_BROKEN
    assert path.read_text().startswith("These are my holiday photos.")


def test_a_damaged_database_is_refused_at_startup(tmp_path: Path) -> None:
    """The file is not changed."""
    path = tmp_path / "a.db"
    migrations.migrate(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = DELETE")
    columns = rows.from_job(job())
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT INTO jobs ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 # our names
    for n in range(200):
        changed = columns | {"id": f"j{n}", "request": f"r{n}"}
        connection.execute(statement, list(changed.values()))
    connection.commit()
    connection.close()
    data = bytearray(path.read_bytes())
    data[-3 * 4096 : -2 * 4096] = b"\xff" * 4096
    path.write_bytes(data)
    with pytest.raises(FatalError, match="is damaged") as exc_info:
        migrations.migrate(path)
    assert exc_info.value.exit is ExitCode.DATABASE_BROKEN
    assert path.read_bytes()[-3 * 4096 : -2 * 4096] == b"\xff" * 4096


def test_migrations_are_numbered_without_gaps(tmp_path: Path) -> None:
    """A gap in the numbers is an error."""
    (tmp_path / "0002_later.sql").write_text("SELECT 1;")
    with pytest.raises(FatalError, match="not numbered"):
        migrations.migrations(tmp_path)


def refusal(data: Path) -> FatalError:
    """The error that locking this folder raises."""
    with pytest.raises(FatalError) as exc_info, migrations.data_folder_lock(data):
        pass
    return exc_info.value


def test_a_data_folder_has_one_bot(tmp_path: Path) -> None:
    """A second bot is refused until the first one has ended."""
    with migrations.data_folder_lock(tmp_path):
        error = refusal(tmp_path)
    assert "Another bot" in str(error)
    assert error.exit is ExitCode.DATA_IN_USE
    with migrations.data_folder_lock(tmp_path):
        pass


def test_a_killed_process_releases_its_lock(tmp_path: Path) -> None:
    """The operating system releases it."""
    script = (
        "import os, pathlib; from bot.db import migrations\n"
        f"with migrations.data_folder_lock(pathlib.Path({str(tmp_path)!r})): os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    with migrations.data_folder_lock(tmp_path):
        pass


def test_an_unusable_data_folder_is_refused(tmp_path: Path) -> None:
    """An example is a file in place of the folder."""
    (tmp_path / "data").write_text("")
    error = refusal(tmp_path / "data")
    assert "cannot be written" in str(error)
    assert error.exit is ExitCode.DATA_UNWRITABLE


def test_checking_the_version_changes_nothing(tmp_path: Path) -> None:
    """An older database is refused and not migrated."""
    path = tmp_path / "a.db"
    sqlite3.connect(path).close()
    with pytest.raises(FatalError, match="older bot"):
        migrations.check_version(path)
    assert version(path) == 0
    migrations.migrate(path)
    migrations.check_version(path)
