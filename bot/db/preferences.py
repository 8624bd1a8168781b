"""What guilds, channels and users prefer; a change by a manager has its audit entry."""

from typing import ClassVar, NamedTuple

import aiosqlite

from bot.db import rows
from bot.db.audit_log import append
from bot.db.store import Store
from bot.domain.moderation import AuditEntry
from bot.domain.preferences import Layer, Owner


class StoredPreference(NamedTuple):
    """A row of the table."""

    owner: Owner
    name: str
    value: str
    """JSON."""


class PreferenceStore(Store):
    """Writes the table `preferences`."""

    retained_tables: ClassVar = {
        "preferences": "not data of a job; those of a user are deleted with the user's data"
    }

    async def all(self) -> list[StoredPreference]:
        """Everything that is stored."""
        stored = await self._connection.fetch_all(
            "SELECT layer, owner, name, value FROM preferences"
        )
        return [
            StoredPreference(Owner(Layer(row["layer"]), row["owner"]), row["name"], row["value"])
            for row in stored
        ]

    async def set(self, owner: Owner, name: str, value: object, entry: AuditEntry | None) -> None:
        """Store a value, with the audit entry if there is one."""
        async with self._connection.transaction() as db:
            await db.execute(
                "INSERT INTO preferences (layer, owner, name, value) VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET value = excluded.value",
                (owner.layer.value, owner.id, name, rows.json(value)),
            )
            await _append(db, entry)

    async def reset(self, owner: Owner, name: str, entry: AuditEntry | None) -> None:
        """Delete a value, with the audit entry if there is one."""
        async with self._connection.transaction() as db:
            await db.execute(
                "DELETE FROM preferences WHERE layer = ? AND owner = ? AND name = ?",
                (owner.layer.value, owner.id, name),
            )
            await _append(db, entry)

    async def erase_user_rows(self, db: aiosqlite.Connection, user_id: int) -> None:
        """Delete all values of a user."""
        await db.execute(
            "DELETE FROM preferences WHERE layer = ? AND owner = ?", (Layer.USER.value, user_id)
        )


async def _append(db: aiosqlite.Connection, entry: AuditEntry | None) -> None:
    if entry is not None:
        await append(db, entry)
