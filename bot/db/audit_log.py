"""The audit log in SQLite: lines are added to it, and read."""

from typing import Final

import aiosqlite

from bot.db.database import Record
from bot.db.tables import Table
from bot.domain.moderation import DETAIL_LIMIT, Entry

AUDIT: Final = Table(
    "audit",
    Entry,
    {
        "at": "at",
        "guild": "guild",
        "actor": "actor",
        "action": "action",
        "detail": "detail",
        "channel": "channel",
        "person": "person",
        "job": "job",
        "request": "request",
    },
)


class Audit:
    """Changes and takes back nothing."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def add(self, entry: Entry) -> None:
        """One more line; none for a request that is noted already."""
        async with self._record.transaction() as connection:
            await note(connection, entry)

    async def page(self, guild: int, number: int, size: int) -> list[Entry]:
        """So many lines of a server, newest first; pages are counted from 1."""
        found = await self._record.rows(
            "SELECT * FROM audit WHERE guild = ? ORDER BY id DESC LIMIT ? OFFSET ?",
            guild,
            size,
            (number - 1) * size,
        )
        return [AUDIT.from_row(row) for row in found]


async def note(connection: aiosqlite.Connection, entry: Entry) -> None:
    """One more line, in the transaction of what it tells of."""
    columns = AUDIT.to_row(entry) | {"detail": entry.detail[:DETAIL_LIMIT]}
    await connection.execute(AUDIT.insert_sql("ON CONFLICT (request) DO NOTHING"), columns)
