"""Presses of U whose picture is on its way, so that no message stays empty when a bot is killed."""

from typing import Final

import msgspec

from bot.db.database import Record
from bot.db.tables import Table


class Press(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants to see the nth picture of a job, in this channel."""

    interaction: int
    application: int
    token: str
    channel: int
    job: str
    nth: int
    at: float
    """Seconds since 1970, by Discord's clock."""

    def __repr__(self) -> str:
        return f"Press(interaction={self.interaction}, job={self.job}, nth={self.nth})"


PRESSES: Final = Table(
    "presses",
    Press,
    {
        "interaction": "interaction",
        "application": "application",
        "token": "token",
        "channel": "channel",
        "job": "job",
        "nth": "nth",
        "at": "at",
    },
)


class Presses:
    """A part of the record; each method is one transaction."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def add(self, press: Press) -> None:
        """This is to be answered."""
        await self._record.change(
            PRESSES.insert_sql("ON CONFLICT DO NOTHING"), PRESSES.to_row(press)
        )

    async def settle(self, interaction: int) -> None:
        """It was answered; its token is forgotten."""
        await self._record.change(
            "DELETE FROM presses WHERE interaction = :interaction", {"interaction": interaction}
        )

    async def unsettled(self) -> list[Press]:
        """Those that may not be answered, oldest first."""
        found = await self._record.rows("SELECT * FROM presses ORDER BY at")
        return [PRESSES.from_row(row) for row in found]
