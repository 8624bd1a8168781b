"""What those who manage servers chose: for flagged pictures, for roles, and for reports."""

from collections.abc import Collection
from typing import Final

import msgspec

from bot.db.audit_log import append
from bot.db.database import SqliteConnection
from bot.db.tables import Table, insert_sql
from bot.domain.limits import RoleLimit
from bot.domain.moderation import AuditAction, AuditEntry
from bot.domain.nsfw import NsfwPolicy, NsfwSettings

_WHOLE: Final = 0
"""In the place of a channel's id: the server as a whole."""
ROLE_LIMITS: Final = Table(
    "role_limits",
    RoleLimit,
    {
        "role_id": "role",
        "max_unfinished": "waiting",
        "max_running": "running",
        "daily_seconds": "daily",
    },
)
"""Without the column `guild`."""


class NsfwSetting(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants for a server's channel, or, without one, for the server as a whole."""

    guild_id: int
    channel_id: int | None
    policy: NsfwPolicy
    actor_id: int
    created_at: float
    """Seconds since 1970."""


class NsfwSettingsStore:
    """Each method is one transaction."""

    def __init__(self, record: SqliteConnection) -> None:
        self._record = record

    async def get(self, guild_id: int | None) -> NsfwSettings:
        """All choices for this server."""
        found = await self._record.fetch_all(
            "SELECT channel, level FROM nsfw_levels WHERE guild = ?", guild_id
        )
        levels = {row["channel"]: NsfwPolicy(row["level"]) for row in found}
        return NsfwSettings(levels.pop(_WHOLE, NsfwPolicy.BLOCK), levels)

    async def set(self, setting: NsfwSetting) -> None:
        """With its line in the audit log."""
        entry = AuditEntry(
            created_at=setting.created_at,
            guild_id=setting.guild_id,
            channel_id=setting.channel_id,
            actor_id=setting.actor_id,
            action=AuditAction.SET,
            detail=f"flagged pictures: {setting.policy}",
        )
        async with self._record.transaction() as connection:
            await connection.execute(
                "INSERT INTO nsfw_levels (guild, channel, level) VALUES (?, ?, ?) "
                "ON CONFLICT (guild, channel) DO UPDATE SET level = excluded.level",
                (setting.guild_id, setting.channel_id or _WHOLE, setting.policy.value),
            )
            await append(connection, entry)


class RoleLimitStore:
    """A part of the record."""

    def __init__(self, record: SqliteConnection) -> None:
        self._record = record

    async def all(self, guild_id: int) -> list[RoleLimit]:
        """Every limit of this server."""
        found = await self._record.fetch_all(
            "SELECT * FROM role_limits WHERE guild = ? ORDER BY role", guild_id
        )
        return [ROLE_LIMITS.from_row(row) for row in found]

    async def of(self, guild_id: int, role_ids: Collection[int]) -> list[RoleLimit]:
        """The limits of these roles."""
        return [limit for limit in await self.all(guild_id) if limit.role_id in role_ids]

    async def put(self, guild_id: int, limit: RoleLimit) -> None:
        """This is what the role allows from now on."""
        columns = {"guild": guild_id, **ROLE_LIMITS.to_row(limit)}
        await self._record.execute(
            insert_sql(
                "role_limits",
                columns,
                "ON CONFLICT DO UPDATE SET waiting = excluded.waiting, "
                "running = excluded.running, daily = excluded.daily",
            ),
            columns,
        )

    async def remove(self, guild_id: int, role_id: int) -> bool:
        """The role allows what everybody may; False if it did so before."""
        return await self._record.execute(
            "DELETE FROM role_limits WHERE guild = :guild AND role = :role",
            {"guild": guild_id, "role": role_id},
        )


class ModChannelStore:
    """Each server has one at most."""

    def __init__(self, record: SqliteConnection) -> None:
        self._record = record

    async def get(self, guild_id: int) -> int | None:
        """Where reports of a server are written to, if anywhere."""
        found = await self._record.fetch_all(
            "SELECT channel FROM moderators WHERE guild = ?", guild_id
        )
        return found[0]["channel"] if found else None

    async def set(
        self, guild_id: int, channel_id: int | None, *, actor_id: int, now: float
    ) -> None:
        """None for nowhere."""
        detail = (
            "no channel for reports" if channel_id is None else f"reports go to <#{channel_id}>"
        )
        entry = AuditEntry(
            created_at=now,
            guild_id=guild_id,
            actor_id=actor_id,
            action=AuditAction.SET,
            detail=detail,
        )
        async with self._record.transaction() as connection:
            await connection.execute("DELETE FROM moderators WHERE guild = ?", (guild_id,))
            if channel_id is not None:
                await connection.execute(
                    "INSERT INTO moderators VALUES (?, ?)", (guild_id, channel_id)
                )
            await append(connection, entry)
