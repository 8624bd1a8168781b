"""Migrations, whose number is in `user_version`, and the lock of the data folder.

`python -m bot.db.migrations` generates migrations/schema.sql.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from bot.domain.history import searchable
from bot.errors import ExitCode, FatalError

FOLDER: Final = Path(__file__).parents[2] / "migrations"
SCHEMA: Final = FOLDER / "schema.sql"
BUSY_SECONDS: Final = 5.0
_NAME: Final = re.compile(r"(\d{4})_\w+\.sql")


class Migration(msgspec.Struct, frozen=True):
    """A step from version - 1 to version."""

    version: int
    sql: str


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """All migrations in order. Raises FatalError if a number is missing or duplicated."""
    steps = []
    for path in sorted(folder.glob("*.sql")):
        if name := _NAME.fullmatch(path.name):
            steps.append(Migration(int(name[1]), path.read_text(encoding="utf-8")))
    if [step.version for step in steps] != list(range(1, len(steps) + 1)) or not steps:
        raise FatalError(
            f"The migrations in {folder} are not numbered 0001, 0002, ….", ExitCode.DATABASE_BROKEN
        )
    return steps


@contextmanager
def data_folder_lock(data: Path) -> Iterator[None]:
    """Lock the data folder for this process; the system releases the lock when the process dies.

    Raises FatalError if another process has the lock, or the folder cannot be written to.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = sqlite3.connect(data / "lock", timeout=0, isolation_level=None)
    except (OSError, sqlite3.OperationalError) as error:
        raise _unwritable(data, error) from error
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        if not is_locked(error):
            raise _unwritable(data, error) from error
        raise FatalError(
            f"Another bot is running on the data folder {data}. Stop it, or set IMAGINE_DATA.",
            ExitCode.DATA_IN_USE,
        ) from error
    try:
        yield
    finally:
        lock.close()


def _unwritable(data: Path, error: Exception) -> FatalError:
    return FatalError(
        f"The data folder {data} cannot be written to ({error}).", ExitCode.DATA_UNWRITABLE
    )


def migrate(
    path: Path, steps: Sequence[Migration] | None = None, lock_seconds: float = BUSY_SECONDS
) -> None:
    """Create the database at this path, or migrate it to the newest version.

    Waits up to `lock_seconds` for a lock of another program. Raises FatalError if the database is
    locked for longer, from a newer version of the bot, or damaged.
    """
    steps = migrations() if steps is None else steps
    try:
        connection = sqlite3.connect(path, timeout=lock_seconds, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("BEGIN IMMEDIATE")  # fails if another program holds a lock
            connection.execute("ROLLBACK")
            _check(connection, path)
            _apply(connection, path, steps)
        finally:
            connection.close()
    except sqlite3.Error as error:
        if is_locked(error):
            raise FatalError(
                f"The database {path} is locked by another program. Close it and start again.",
                ExitCode.DATABASE_LOCKED,
            ) from error
        raise FatalError(
            f"The database {path} cannot be used ({error}).", ExitCode.DATABASE_BROKEN
        ) from error


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise FatalError if the file is damaged."""
    (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if result != "ok":
        raise FatalError(
            f"The database {path} is damaged ({result}). Restore a backup, or move it away.",
            ExitCode.DATABASE_BROKEN,
        )


def check_version(path: Path) -> None:
    """Raise FatalError unless the database has the newest version; does not migrate it."""
    try:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
        try:
            version = _version(connection, path, len(migrations()))
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise FatalError(
            f"The database {path} cannot be used ({error}).", ExitCode.DATABASE_BROKEN
        ) from error
    if version < len(migrations()):
        raise FatalError(
            f"The database {path} was made by an older bot. Start this bot once to migrate it.",
            ExitCode.DATABASE_BROKEN,
        )


def _version(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > newest:
        raise FatalError(
            f"The database {path} is of version {version}, made by a newer bot; "
            f"this one supports {newest}. Install a newer bot, or set IMAGINE_DATA.",
            ExitCode.DATABASE_NEWER,
        )
    return version


def _apply(connection: sqlite3.Connection, path: Path, steps: Sequence[Migration]) -> None:
    version = _version(connection, path, len(steps))
    connection.create_function("searchable", 1, searchable, deterministic=True)
    for step in steps[version:]:
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{step.sql}\nPRAGMA user_version = {step.version};\nCOMMIT;"
        )


def is_locked(error: sqlite3.Error) -> bool:
    """Whether the error is a lock of another connection."""
    name: str = getattr(error, "sqlite_errorname", "")  # Python's own errors have none
    return name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def schema(steps: Sequence[Migration] | None = None) -> str:
    """The SQL of the schema that the migrations create."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        _apply(connection, Path(":memory:"), migrations() if steps is None else steps)
        rows = connection.execute(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, name"
        )
        statements = [f"{sql};" for (sql,) in rows]
    finally:
        connection.close()
    head = "-- Made from the migrations by `python -m bot.db.migrations`; not to be edited.\n"
    return "\n".join([head, *statements, ""])


if __name__ == "__main__":
    SCHEMA.write_text(schema(), encoding="utf-8", newline="\n")
