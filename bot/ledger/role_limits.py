"""What the roles of a server allow."""

from collections.abc import Collection

import msgspec

from bot.domain.limits import RoleLimit
from bot.ledger.record import Record, insertion


class RoleLimits:
    """A part of the record."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def all(self, guild: int) -> list[RoleLimit]:
        """Every limit of this server."""
        found = await self._record.rows(
            "SELECT role, waiting, running, daily FROM role_limits WHERE guild = ? ORDER BY role",
            guild,
        )
        return [RoleLimit(**row) for row in found]

    async def of(self, guild: int, roles: Collection[int]) -> list[RoleLimit]:
        """The limits of these roles."""
        return [limit for limit in await self.all(guild) if limit.role in roles]

    async def put(self, guild: int, limit: RoleLimit) -> None:
        """This is what the role allows from now on."""
        columns = {"guild": guild, **msgspec.structs.asdict(limit)}
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
