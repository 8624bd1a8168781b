"""Opening and migrating the database."""

import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from bot.db import migrations, rows
from bot.db.tables import Value, insert_sql
from bot.errors import ExitCode, FatalError
from tests.samples import job, picture

STEPS = [
    migrations.Migration(1, "CREATE TABLE a (x INTEGER) STRICT;"),
    migrations.Migration(2, "ALTER TABLE a ADD COLUMN y TEXT;"),
]


def test_the_schema_file_is_up_to_date() -> None:
    """`python -m bot.db.migrations` writes it."""
    assert migrations.SCHEMA.read_text(encoding="utf-8") == migrations.schema()


def test_all_tables_are_strict() -> None:
    """SQLite checks types in strict tables only."""
    schema_db = sqlite3.connect(":memory:")
    schema_db.executescript(migrations.schema())
    tables = schema_db.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'")
    strict = {name: strict for name, strict in tables if not name.startswith("sqlite_")}
    schema_db.close()
    assert set(strict) >= {"jobs", "pictures", "job_messages"}
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


def test_pictures_of_the_first_version_keep_their_values(tmp_path: Path) -> None:
    """Their references to jobs are kept too."""
    path = tmp_path / "a.db"
    migrations.migrate(path, migrations.migrations()[:1])
    columns = rows.from_job(job()) | {"status": "done", "ended_at": 5.0}
    del columns["reveal"]
    old = rows.from_picture(picture()) | {"blocked": 0}
    for newer in ("failed", "restricted", "verdicts"):
        del old[newer]
    blocked = old | {"id": "j1-2", "nth": 2, "blocked": 1, "path": None}
    del columns["seats"]
    connection = sqlite3.connect(path)
    for table, values in (("jobs", columns), ("pictures", old), ("pictures", blocked)):
        marks = ", ".join("?" * len(values))
        connection.execute(
            f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})",  # noqa: S608 # our names
            list(values.values()),
        )
    connection.commit()
    connection.close()
    migrations.migrate(path)
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    visible, withheld = map(rows.to_picture, connection.execute("SELECT * FROM pictures"))
    assert visible == picture()
    assert withheld.is_withheld and not withheld.is_flagged_but_kept and withheld.path is None
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def test_jobs_before_the_free_kinds_keep_order_and_references(tmp_path: Path) -> None:
    """The table is copied, because it had a list of kinds."""
    path = tmp_path / "a.db"
    migrations.migrate(path, migrations.migrations()[:9])
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    first, second = job("z"), job("a")
    for stored in (first, second):
        insert(connection, "jobs", rows.from_job(stored))
    insert(connection, "pictures", rows.from_picture(picture("z")))
    with pytest.raises(sqlite3.IntegrityError):
        insert(connection, "jobs", rows.from_job(job("b")) | {"kind": "mirror"})
    connection.close()
    migrations.migrate(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.row_factory = sqlite3.Row
    jobs = connection.execute("SELECT * FROM jobs ORDER BY rowid").fetchall()
    assert [rows.to_job(row) for row in jobs] == [first, second]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        insert(connection, "pictures", rows.from_picture(picture("gone")))
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        connection.execute("DELETE FROM jobs WHERE id = 'z'")
    insert(connection, "jobs", rows.from_job(job("b")) | {"kind": "mirror"})
    connection.close()


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
