"""The audit log in SQLite: lines are added to it, and read."""

import sqlite3

import aiosqlite
import msgspec

from bot.db.database import Record, insertion
from bot.domain.moderation import DETAIL_LIMIT, Action, Entry


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
        return [_entry(row) for row in found]


async def note(connection: aiosqlite.Connection, entry: Entry) -> None:
    """One more line, in the transaction of what it tells of."""
    columns = msgspec.structs.asdict(entry)
    columns["action"] = entry.action.value
    columns["detail"] = entry.detail[:DETAIL_LIMIT]
    await connection.execute(
        insertion("audit", columns, "ON CONFLICT (request) DO NOTHING"), columns
    )


def _entry(row: sqlite3.Row) -> Entry:
    values = {name: row[name] for name in Entry.__struct_fields__}
    return Entry(**values | {"action": Action(row["action"])})
