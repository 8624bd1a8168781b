"""A database in memory for simulations: a query takes no time, and no other task runs meanwhile."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self, cast

import aiosqlite

from bot.db.connection import SqliteConnection
from bot.db.migrations import SCHEMA


class MemoryConnection(SqliteConnection):
    """A connection to an empty database, whose queries run in the thread of the event loop."""

    def __init__(self) -> None:
        super().__init__(Path(":memory:"))
        self._sqlite = sqlite3.connect(":memory:", isolation_level=None)

    async def __aenter__(self) -> Self:
        self._sqlite.row_factory = sqlite3.Row
        self._sqlite.executescript(SCHEMA.read_text(encoding="utf-8"))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._sqlite.close()

    @property
    def raw(self) -> aiosqlite.Connection:
        """The connection with those methods of aiosqlite that the stores use."""
        return cast("aiosqlite.Connection", _Queries(self._sqlite))


class _Queries:
    """As aiosqlite.Connection, but without its thread, which simulated time would not wait for."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:  # noqa: ANN401 - as sqlite3
        return self._connection.execute(sql, values)

    async def execute_fetchall(self, sql: str, values: Any = ()) -> list[sqlite3.Row]:  # noqa: ANN401
        return self._connection.execute(sql, values).fetchall()

    async def executemany(self, sql: str, values: Iterable[Any]) -> sqlite3.Cursor:
        return self._connection.executemany(sql, values)
