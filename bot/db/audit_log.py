"""The audit log: append-only."""

from typing import ClassVar, Final

import aiosqlite

from bot.db.store import Store
from bot.db.tables import Table
from bot.domain.clock import DAY
from bot.domain.moderation import MAX_DETAIL_CHARS, AuditAction, AuditEntry
from bot.domain.user_data import AUDIT_DAYS

SWEEP_ROWS: Final = 500
"""How many old rows one call of `expire` deletes."""
AUDIT_SECONDS: Final = AUDIT_DAYS * DAY
AUDIT: Final = Table(
    "audit_log",
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


class AuditLog(Store):
    """Writes the table `audit_log`."""

    retained_tables: ClassVar = {"audit_log": "moderators need it against abuse; it expires"}

    async def add(self, entry: AuditEntry) -> None:
        """Append an entry; does nothing if there is one of the same idempotency key."""
        async with self._connection.transaction() as db:
            await append(db, entry)

    async def page(self, guild_id: int, number: int, size: int) -> list[AuditEntry]:
        """A page of a guild's entries, newest first; pages are counted from 1."""
        rows = await self._connection.fetch_all(
            "SELECT * FROM audit_log WHERE guild = ? ORDER BY id DESC LIMIT ? OFFSET ?",
            guild_id,
            size,
            (number - 1) * size,
        )
        return [AUDIT.from_row(row) for row in rows]

    async def expire(self, db: aiosqlite.Connection, now: float) -> None:
        """Delete some of the entries that are too old."""
        await db.execute(
            "DELETE FROM audit_log WHERE id IN (SELECT id FROM audit_log WHERE at <= ? LIMIT ?)",
            (now - AUDIT_SECONDS, SWEEP_ROWS),
        )


def decision(
    action: AuditAction,
    guild_id: int,
    detail: str = "",
    *,
    actor_id: int,
    now: float,
    channel_id: int | None = None,
    target_id: int | None = None,
) -> AuditEntry:
    """The entry of a decision by a moderator or manager of a guild."""
    return AuditEntry(
        created_at=now,
        guild_id=guild_id,
        channel_id=channel_id,
        actor_id=actor_id,
        action=action,
        target_id=target_id,
        detail=detail,
    )


async def append(db: aiosqlite.Connection, entry: AuditEntry) -> None:
    """Append an entry, in the transaction of the change that it describes."""
    columns = AUDIT.to_row(entry) | {"detail": entry.detail[:MAX_DETAIL_CHARS]}
    await db.execute(AUDIT.insert_sql("ON CONFLICT (request) DO NOTHING"), columns)


async def append_if_changed(
    db: aiosqlite.Connection, cursor: aiosqlite.Cursor, entry: AuditEntry
) -> bool:
    """Append the entry if the statement changed a row; whether it did."""
    if cursor.rowcount > 0:
        await append(db, entry)
    return cursor.rowcount > 0
