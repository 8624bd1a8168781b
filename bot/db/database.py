"""The connection to the record: transactions, queries, and what may go wrong with a database."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import chain, repeat
from pathlib import Path
from typing import Final, Self, TypeVar

import aiosqlite

from bot.db.migrations import BUSY_SECONDS
from bot.errors import BotError, ExitCode, FatalError

FILENAME: Final = "imagine.db"
"""In the data folder."""
LOCK_SECONDS: Final = 1.0
"""How long a change waits for another program's lock: whoever asks is to hear of it within 3 s."""
_POLL_SECONDS: Final = 0.05
_BUSY_MILLISECONDS: Final = 20
"""How long SQLite itself waits, and all others of this process with it."""
_RETRY_SECONDS: Final = (1, 2, 5, 15, 30)
T = TypeVar("T")
log = logging.getLogger(__name__)


class DatabaseUnavailable(BotError):
    """The database did not do what it was asked to: the disk is full, say. Later it may."""


class SqliteConnection:
    """Use as `async with Record(path)`, on a database that is migrated.

    Everything raises RecordTrouble, in words for the person, when the disk or a lock gets in the
    way; then nothing was changed. A database that is damaged raises FatalError: the bot must end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: aiosqlite.Connection | None = None
        self._lock = asyncio.Lock()
        self._lock_timeout = LOCK_SECONDS
        """Seconds that a change waits for a lock; none while nobody got past it of late."""

    async def __aenter__(self) -> Self:
        connection = await aiosqlite.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
        connection.row_factory = sqlite3.Row
        await connection.execute("PRAGMA foreign_keys = ON")
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute("PRAGMA synchronous = FULL")
        await connection.execute("PRAGMA secure_delete = ON")
        await connection.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
        self._connection = connection
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            await self._connection.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[aiosqlite.Connection]:
        """All changes inside are made, or none. Nobody else waits for what holds a lock."""
        connection = self._open_connection()
        until = asyncio.get_running_loop().time() + self._lock_timeout
        with _translate_errors():
            while True:
                async with self._lock, _rollback_on_error(connection):
                    if await self._try_begin(connection, until):
                        yield connection
                        await connection.execute("COMMIT")
                        return
                await asyncio.sleep(_POLL_SECONDS)

    async def _try_begin(self, connection: aiosqlite.Connection, until: float) -> bool:
        """False if another program has a lock. Who waited in vain has waited for all."""
        try:
            await connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not _is_locked(error):
                raise
            if asyncio.get_running_loop().time() >= until:
                self._lock_timeout = 0.0
                raise
            return False
        self._lock_timeout = LOCK_SECONDS
        return True

    async def execute(self, sql: str, values: Mapping[str, object]) -> bool:
        """Did the statement change a row?"""
        async with self.transaction() as connection:
            return (await connection.execute(sql, values)).rowcount > 0

    async def fetch_all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """What the query finds."""
        connection = self._open_connection()
        with _translate_errors():
            async with self._lock:
                return list(await connection.execute_fetchall(sql, values))

    async def checkpoint(self) -> bool:
        """Leave nothing of older states in the files; False if a reader is in the way."""
        connection = self._open_connection()
        with _translate_errors():
            async with self._lock:
                await connection.execute_fetchall("PRAGMA busy_timeout = 0")
                try:
                    found = await connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
                finally:
                    await connection.execute_fetchall(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
        return not any(row["busy"] for row in found)

    def _open_connection(self) -> aiosqlite.Connection:
        if self._connection is None:
            raise RuntimeError("The record is used outside `async with`.")
        return self._connection


async def retry_until_written(act: Callable[[], Awaitable[T]]) -> T:
    """What comes of it, however often it must be tried: what it records must not get lost."""
    for seconds in chain(_RETRY_SECONDS, repeat(_RETRY_SECONDS[-1])):
        try:
            return await act()
        except DatabaseUnavailable as error:
            log.error("%s Trying again in %d s.", error, seconds)  # noqa: TRY400 # no trace is wanted
            await asyncio.sleep(seconds)
    raise AssertionError("the retries never end")


@asynccontextmanager
async def _rollback_on_error(connection: aiosqlite.Connection) -> AsyncIterator[None]:
    """Whatever stops the body, its changes are taken back."""
    try:
        yield
    except BaseException:
        with suppress(sqlite3.OperationalError):  # there is none if BEGIN failed
            await connection.execute("ROLLBACK")
        raise


def _is_locked(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        reason = _reason(error)
        if reason is None:  # then the statement is wrong, and not the disk
            raise
        raise DatabaseUnavailable(reason) from error
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise FatalError(
                f"The database is damaged ({error}). Put a copy of it back, or move it away.",
                ExitCode.DATABASE_BROKEN,
            ) from error
        raise


def _reason(error: sqlite3.OperationalError) -> str | None:
    name = error.sqlite_errorname
    if name.startswith("SQLITE_FULL"):
        return "The bot's disk is full, so nothing can be recorded. Please tell who runs it."
    if _is_locked(error):
        return "The bot's record is locked by another program. Please try again in a while."
    if name.startswith(("SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")):
        return f"The bot cannot write to its record ({error}). Please tell who runs it."
    return None
