"""The audit log in SQLite: lines are added to it, and read."""

from typing import Final

import aiosqlite

from bot.db.database import SqliteConnection
from bot.db.tables import Table
from bot.domain.moderation import MAX_DETAIL_CHARS, AuditEntry

AUDIT: Final = Table(
    "audit",
    AuditEntry,
    {
        "created_at": "at",
        "guild_id": "guild",
        "actor_id": "actor",
        "action": "action",
        "detail": "detail",
        "channel_id": "channel",
        "target_id": "person",
        "job_id": "job",
        "idempotency_key": "request",
    },
)


class AuditLog:
    """Changes and takes back nothing."""

    def __init__(self, record: SqliteConnection) -> None:
        self._record = record

    async def add(self, entry: AuditEntry) -> None:
        """One more line; none for a request that is noted already."""
        async with self._record.transaction() as connection:
            await append(connection, entry)

    async def page(self, guild_id: int, number: int, size: int) -> list[AuditEntry]:
        """So many lines of a server, newest first; pages are counted from 1."""
        found = await self._record.fetch_all(
            "SELECT * FROM audit WHERE guild = ? ORDER BY id DESC LIMIT ? OFFSET ?",
            guild_id,
            size,
            (number - 1) * size,
        )
        return [AUDIT.from_row(row) for row in found]


async def append(connection: aiosqlite.Connection, entry: AuditEntry) -> None:
    """One more line, in the transaction of what it tells of."""
    columns = AUDIT.to_row(entry) | {"detail": entry.detail[:MAX_DETAIL_CHARS]}
    await connection.execute(AUDIT.insert_sql("ON CONFLICT (request) DO NOTHING"), columns)
