"""What those who manage servers chose: for flagged pictures, for roles, and for reports."""

from collections.abc import Collection
from typing import Final

import msgspec

from bot.db.audit_log import note
from bot.db.database import Record
from bot.db.tables import Table, insertion
from bot.domain.limits import RoleLimit
from bot.domain.moderation import Action, Entry
from bot.domain.nsfw import Choices, Level

_WHOLE: Final = 0
"""In the place of a channel's id: the server as a whole."""
ROLE_LIMITS: Final = Table(
    "role_limits",
    RoleLimit,
    {"role": "role", "waiting": "waiting", "running": "running", "daily": "daily"},
)
"""Without the column `guild`."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants for a server's channel, or, without one, for the server as a whole."""

    server: int
    room: int | None
    level: Level
    actor: int
    at: float
    """Seconds since 1970."""


class NsfwLevels:
    """Each method is one transaction."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def of(self, server: int | None) -> Choices:
        """All choices for this server."""
        found = await self._record.rows(
            "SELECT channel, level FROM nsfw_levels WHERE guild = ?", server
        )
        levels = {row["channel"]: Level(row["level"]) for row in found}
        return Choices(levels.pop(_WHOLE, Level.BLOCK), levels)

    async def choose(self, choice: Choice) -> None:
        """With its line in the audit log."""
        entry = Entry(
            at=choice.at,
            guild=choice.server,
            channel=choice.room,
            actor=choice.actor,
            action=Action.SET,
            detail=f"flagged pictures: {choice.level}",
        )
        async with self._record.transaction() as connection:
            await connection.execute(
                "INSERT INTO nsfw_levels (guild, channel, level) VALUES (?, ?, ?) "
                "ON CONFLICT (guild, channel) DO UPDATE SET level = excluded.level",
                (choice.server, choice.room or _WHOLE, choice.level.value),
            )
            await note(connection, entry)


class RoleLimits:
    """A part of the record."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def all(self, guild: int) -> list[RoleLimit]:
        """Every limit of this server."""
        found = await self._record.rows(
            "SELECT * FROM role_limits WHERE guild = ? ORDER BY role", guild
        )
        return [ROLE_LIMITS.from_row(row) for row in found]

    async def of(self, guild: int, roles: Collection[int]) -> list[RoleLimit]:
        """The limits of these roles."""
        return [limit for limit in await self.all(guild) if limit.role in roles]

    async def put(self, guild: int, limit: RoleLimit) -> None:
        """This is what the role allows from now on."""
        columns = {"guild": guild, **ROLE_LIMITS.to_row(limit)}
        await self._record.change(
            insertion(
                "role_limits",
                columns,
                "ON CONFLICT DO UPDATE SET waiting = excluded.waiting, "
                "running = excluded.running, daily = excluded.daily",
            ),
            columns,
        )

    async def remove(self, guild: int, role: int) -> bool:
        """The role allows what everybody may; False if it did so before."""
        return await self._record.change(
            "DELETE FROM role_limits WHERE guild = :guild AND role = :role",
            {"guild": guild, "role": role},
        )


class ModeratorsChannels:
    """Each server has one at most."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def channel(self, guild: int) -> int | None:
        """Where reports of a server are written to, if anywhere."""
        found = await self._record.rows("SELECT channel FROM moderators WHERE guild = ?", guild)
        return found[0]["channel"] if found else None

    async def set_channel(self, guild: int, channel: int | None, *, actor: int, now: float) -> None:
        """None for nowhere."""
        detail = "no channel for reports" if channel is None else f"reports go to <#{channel}>"
        entry = Entry(at=now, guild=guild, actor=actor, action=Action.SET, detail=detail)
        async with self._record.transaction() as connection:
            await connection.execute("DELETE FROM moderators WHERE guild = ?", (guild,))
            if channel is not None:
                await connection.execute("INSERT INTO moderators VALUES (?, ?)", (guild, channel))
            await note(connection, entry)
