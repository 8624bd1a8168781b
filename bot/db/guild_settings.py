"""Settings of guilds; each change has its audit entry."""

import sqlite3
from collections.abc import Iterable
from typing import ClassVar, Final

import msgspec

from bot.db import rows
from bot.db.audit_log import append, decision
from bot.db.store import Store
from bot.domain.guild_settings import Change, GuildSettings
from bot.domain.moderation import AuditAction

_QUERY: Final = "SELECT name, value FROM guild_settings WHERE guild = ?"
_FIELDS: Final = GuildSettings.__struct_fields__


class GuildSettingsStore(Store):
    """Writes the table `guild_settings`: a row for each setting that is not the default."""

    retained_tables: ClassVar = {"guild_settings": "settings of the guild, not data of a user"}

    async def get(self, guild_id: int | None) -> GuildSettings:
        """The settings of this guild; the defaults without a guild."""
        return _from_rows(await self._connection.fetch_all(_QUERY, guild_id))

    async def change(
        self, guild_id: int, change: Change, *, actor_id: int, now: float
    ) -> tuple[GuildSettings, bool]:
        """The settings after a change, and whether they differ from before.

        If they do, they are stored with an audit entry. Raises Refused as `change` does.
        """
        async with self._connection.transaction() as db:
            before = _from_rows(await db.execute_fetchall(_QUERY, (guild_id,)))
            settings, detail, channel_id = change(before)
            if settings == before:
                return before, False
            await db.execute("DELETE FROM guild_settings WHERE guild = ?", (guild_id,))
            await db.executemany(
                "INSERT INTO guild_settings (guild, name, value) VALUES (?, ?, ?)",
                [(guild_id, name, value) for name, value in _to_rows(settings).items()],
            )
            entry = decision(
                AuditAction.SET,
                guild_id,
                detail,
                actor_id=actor_id,
                now=now,
                channel_id=channel_id,
            )
            await append(db, entry)
        return settings, True


def _from_rows(stored: Iterable[sqlite3.Row]) -> GuildSettings:
    """Names that this version of the bot does not know are ignored."""
    values = {row["name"]: msgspec.json.decode(row["value"]) for row in stored}
    supported = {name: value for name, value in values.items() if name in _FIELDS}
    return msgspec.convert(supported, GuildSettings, str_keys=True)


def _to_rows(settings: GuildSettings) -> dict[str, str]:
    defaults = GuildSettings()
    values = {name: getattr(settings, name) for name in _FIELDS}
    return {
        name: rows.json(value) for name, value in values.items() if value != getattr(defaults, name)
    }
