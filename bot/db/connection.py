"""The connection to SQLite: transactions, queries, and errors of the disk and of locks."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final, Self, TypeVar

import aiosqlite

from bot.aio import retry
from bot.db.migrations import BUSY_SECONDS, is_locked
from bot.errors import BotError, ExitCode, FatalError

LOCK_SECONDS: Final = 1.0
"""How long a write waits for another program's lock. Discord wants a response within 3 seconds."""
_POLL_SECONDS: Final = 0.05
_BUSY_MILLISECONDS: Final = 20
"""How long SQLite itself waits for a lock, which blocks all queries of this process."""
_RETRY_SECONDS: Final = (1, 2, 5, 15, 30)
T = TypeVar("T")
log = logging.getLogger(__name__)


class DatabaseUnavailable(BotError):
    """The database could not be written or read, for example because the disk is full."""


class SqliteConnection:
    """Use as `async with SqliteConnection(path)`, on a migrated database.

    Methods raise DatabaseUnavailable, with a sentence for the user, if the disk or a lock prevents
    them; then nothing was changed. They raise FatalError if the database is damaged. A write waits
    up to `lock_seconds` for a lock of another program.
    """

    def __init__(self, path: Path, lock_seconds: float = LOCK_SECONDS) -> None:
        self._path = path
        self._lock_seconds = lock_seconds
        self._connection: aiosqlite.Connection | None = None
        self._lock = asyncio.Lock()
        self._lock_timeout = lock_seconds
        """How long a write waits for a lock. 0 after a timeout, until a write succeeds again."""

    async def __aenter__(self) -> Self:
        db = await aiosqlite.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
        db.row_factory = sqlite3.Row
        await db.execute("PRAGMA foreign_keys = ON")
        await db.execute("PRAGMA journal_mode = WAL")
        await db.execute("PRAGMA synchronous = FULL")
        await db.execute("PRAGMA secure_delete = ON")
        await db.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
        self._connection = db
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            await self._connection.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[aiosqlite.Connection]:
        """A transaction that is committed at the end and rolled back on any exception.

        While another program holds a lock, other queries of this process go on.
        """
        db = self.raw
        deadline = asyncio.get_running_loop().time() + self._lock_timeout
        with _translate_errors():
            while True:
                async with self._lock, _rollback_on_error(db):
                    if await self._try_begin(db, deadline):
                        yield db
                        await db.execute("COMMIT")
                        return
                await asyncio.sleep(_POLL_SECONDS)

    async def _try_begin(self, db: aiosqlite.Connection, deadline: float) -> bool:
        """False while another process holds the lock. After one timeout, later writers fail at
        once."""
        try:
            await db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_locked(error):
                raise
            if asyncio.get_running_loop().time() >= deadline:
                self._lock_timeout = 0.0
                raise
            return False
        self._lock_timeout = self._lock_seconds
        return True

    async def execute(self, sql: str, values: Mapping[str, object]) -> bool:
        """Execute one statement in its own transaction; True if it changed a row."""
        async with self.transaction() as db:
            return (await db.execute(sql, values)).rowcount > 0

    async def fetch_all(self, sql: str, *values: object, **named: object) -> list[sqlite3.Row]:
        """The rows of a query with either positional (`?`) or named (`:name`) values."""
        db = self.raw
        with _translate_errors():
            async with self._lock:
                return list(await db.execute_fetchall(sql, named or values))

    async def checkpoint(self) -> bool:
        """Truncate the write-ahead log, so that deleted data is gone from all files.

        False if a reader prevents it.
        """
        db = self.raw
        with _translate_errors():
            async with self._lock:
                await db.execute_fetchall("PRAGMA busy_timeout = 0")
                try:
                    rows = await db.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
                finally:
                    await db.execute_fetchall(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
        return not any(row["busy"] for row in rows)

    @property
    def raw(self) -> aiosqlite.Connection:
        """The connection without locking and error translation; only for diagnostics."""
        if self._connection is None:
            raise RuntimeError("The database is used outside `async with`.")
        return self._connection


async def retry_until_written(act: Callable[[], Awaitable[T]]) -> T:
    """The result of `act`, repeated for as long as it raises DatabaseUnavailable."""

    def delay_after(error: Exception, seconds: float) -> float:
        log.error("%s Trying again in %d s.", error, seconds)
        return seconds

    return await retry(act, (DatabaseUnavailable,), _RETRY_SECONDS, delay_after)


@asynccontextmanager
async def _rollback_on_error(db: aiosqlite.Connection) -> AsyncIterator[None]:
    try:
        yield
    except BaseException:  # also a cancellation: a transaction must not stay open
        with suppress(sqlite3.OperationalError):  # no transaction is active if BEGIN failed
            await db.execute("ROLLBACK")
        raise


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        reason = _reason(error)
        if reason is None:  # a mistake in the SQL
            raise
        raise DatabaseUnavailable(reason) from error
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "")  # errors of the Python module have none
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise FatalError(
                f"The database is damaged ({error}). Restore a backup, or move it away.",
                ExitCode.DATABASE_BROKEN,
            ) from error
        raise


def _reason(error: sqlite3.OperationalError) -> str | None:
    name = error.sqlite_errorname
    if name.startswith("SQLITE_FULL"):
        return "The bot's disk is full. Please tell the operator of this bot."
    if is_locked(error):
        return "The bot's database is locked by another program. Please try again later."
    if name.startswith(("SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")):
        return (
            f"The bot cannot write to its database ({error}). Please tell the operator of this bot."
        )
    return None
