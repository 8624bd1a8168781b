"""What those who manage servers chose for flagged pictures."""

from typing import Final

import msgspec

from bot.domain.moderation import Action, Entry
from bot.domain.nsfw import Choices, Level
from bot.ledger.audit import note
from bot.ledger.record import Record

_WHOLE: Final = 0
"""In the place of a channel's id: the server as a whole."""


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
