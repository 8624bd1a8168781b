"""What those who manage servers chose for flagged pictures."""

from typing import Final

from bot.ledger.record import Record
from bot.places import Choices, Level

_WHOLE: Final = 0
"""In the place of a channel's id: the server as a whole."""


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

    async def choose(self, server: int, channel: int | None, level: Level) -> None:
        """For this channel of the server, or for the server as a whole."""
        await self._record.change(
            "INSERT INTO nsfw_levels (guild, channel, level) VALUES (:guild, :channel, :level) "
            "ON CONFLICT (guild, channel) DO UPDATE SET level = :level",
            {"guild": server, "channel": channel or _WHOLE, "level": level.value},
        )
