"""Settings of guilds: flagged pictures, limits of roles, and the moderators' channel."""

from collections.abc import Collection
from typing import ClassVar, Final

import aiosqlite
import msgspec

from bot.db.audit_log import append, append_if_changed, decision
from bot.db.store import Store
from bot.db.tables import Table, insert_sql
from bot.domain.limits import RoleLimit, merge, summary
from bot.domain.moderation import AuditAction
from bot.domain.nsfw import NsfwPolicy, NsfwSettings

_WHOLE_GUILD: Final = 0
"""In the column `channel`: all channels without a policy of their own."""
_REASON: Final = "a setting of the guild, not data of a user"
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
    """A policy for a channel of a guild, or, without a channel, for the guild."""

    guild_id: int
    channel_id: int | None
    policy: NsfwPolicy
    actor_id: int
    created_at: float
    """Seconds since 1970."""


class NsfwSettingsStore(Store):
    """Writes the table `nsfw_levels`."""

    retained_tables: ClassVar = {"nsfw_levels": _REASON}

    async def get(self, guild_id: int | None) -> NsfwSettings:
        """All settings of this guild."""
        rows = await self._connection.fetch_all(
            "SELECT channel, level FROM nsfw_levels WHERE guild = ?", guild_id
        )
        policies = {row["channel"]: NsfwPolicy(row["level"]) for row in rows}
        return NsfwSettings(policies.pop(_WHOLE_GUILD, NsfwPolicy.BLOCK), policies)

    async def set(self, setting: NsfwSetting) -> None:
        """Store a setting and, if it differs from before, its audit entry."""
        entry = decision(
            AuditAction.SET,
            setting.guild_id,
            f"flagged pictures: {setting.policy}",
            actor_id=setting.actor_id,
            now=setting.created_at,
            channel_id=setting.channel_id,
        )
        async with self._connection.transaction() as db:
            cursor = await db.execute(
                "INSERT INTO nsfw_levels (guild, channel, level) VALUES (?, ?, ?) "
                "ON CONFLICT (guild, channel) DO UPDATE SET level = excluded.level "
                "WHERE level != excluded.level",
                (setting.guild_id, setting.channel_id or _WHOLE_GUILD, setting.policy.value),
            )
            await append_if_changed(db, cursor, entry)


class RoleLimitStore(Store):
    """Writes the table `role_limits`."""

    retained_tables: ClassVar = {"role_limits": _REASON}

    async def all(self, guild_id: int) -> list[RoleLimit]:
        """The limits of all roles of this guild."""
        rows = await self._connection.fetch_all(
            "SELECT * FROM role_limits WHERE guild = ? ORDER BY role", guild_id
        )
        return [ROLE_LIMITS.from_row(row) for row in rows]

    async def of(self, guild_id: int, role_ids: Collection[int]) -> list[RoleLimit]:
        """The limits of these roles."""
        return [limit for limit in await self.all(guild_id) if limit.role_id in role_ids]

    async def change(
        self, guild_id: int, changes: RoleLimit, *, actor_id: int, now: float
    ) -> RoleLimit:
        """Change those limits of a role that are not None; all its limits after that.

        If they differ from before, they are stored with an audit entry.
        """
        async with self._connection.transaction() as db:
            current = await _role_limit(db, guild_id, changes.role_id)
            limit = merge(current, changes)
            if limit != current:
                columns = {"guild": guild_id, **ROLE_LIMITS.to_row(limit)}
                clause = (
                    "ON CONFLICT DO UPDATE SET waiting = excluded.waiting, "
                    "running = excluded.running, daily = excluded.daily"
                )
                await db.execute(insert_sql("role_limits", columns, clause), columns)
                detail = f"<@&{limit.role_id}>: {summary(limit)}"
                entry = decision(AuditAction.SET, guild_id, detail, actor_id=actor_id, now=now)
                await append(db, entry)
        return limit

    async def remove(self, guild_id: int, role_id: int, *, actor_id: int, now: float) -> bool:
        """Delete the limits of a role, and append an audit entry; False if it has none."""
        async with self._connection.transaction() as db:
            deleted = await db.execute(
                "DELETE FROM role_limits WHERE guild = ? AND role = ?", (guild_id, role_id)
            )
            detail = f"<@&{role_id}>: no limits of its own"
            entry = decision(AuditAction.SET, guild_id, detail, actor_id=actor_id, now=now)
            return await append_if_changed(db, deleted, entry)


async def _role_limit(db: aiosqlite.Connection, guild_id: int, role_id: int) -> RoleLimit:
    rows = await db.execute_fetchall(
        "SELECT * FROM role_limits WHERE guild = ? AND role = ?", (guild_id, role_id)
    )
    return next(map(ROLE_LIMITS.from_row, rows), RoleLimit(role_id=role_id))


class ModChannelStore(Store):
    """Writes the table `mod_channels`: at most one channel of each guild."""

    retained_tables: ClassVar = {"mod_channels": _REASON}

    async def get(self, guild_id: int) -> int | None:
        """The channel that reports of a guild are sent to."""
        rows = await self._connection.fetch_all(
            "SELECT channel FROM mod_channels WHERE guild = ?", guild_id
        )
        return rows[0]["channel"] if rows else None

    async def set(
        self, guild_id: int, channel_id: int | None, *, actor_id: int, now: float
    ) -> None:
        """Store the channel, None for none, and its audit entry if it differs from before."""
        detail = "no channel for reports"
        if channel_id is not None:
            detail = f"reports go to <#{channel_id}>"
        entry = decision(AuditAction.SET, guild_id, detail, actor_id=actor_id, now=now)
        async with self._connection.transaction() as db:
            if channel_id is None:
                changed = await db.execute("DELETE FROM mod_channels WHERE guild = ?", (guild_id,))
            else:
                changed = await db.execute(
                    "INSERT INTO mod_channels (guild, channel) VALUES (?, ?) ON CONFLICT (guild) "
                    "DO UPDATE SET channel = excluded.channel WHERE channel != excluded.channel",
                    (guild_id, channel_id),
                )
            await append_if_changed(db, changed, entry)
