"""Presses of U whose picture is on its way, so that no message stays empty when a bot is killed."""

from typing import Final

import msgspec

from bot.db.database import SqliteConnection
from bot.db.tables import Table


class PendingInteraction(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants to see the nth picture of a job, in this channel."""

    interaction_id: int
    application_id: int
    token: str
    channel_id: int
    job_id: str
    nth: int
    created_at: float
    """Seconds since 1970, by Discord's clock."""

    def __repr__(self) -> str:
        return f"Press(interaction={self.interaction_id}, job={self.job_id}, nth={self.nth})"


PENDING_INTERACTIONS: Final = Table(
    "presses",
    PendingInteraction,
    {
        "interaction_id": "interaction",
        "application_id": "application",
        "token": "token",
        "channel_id": "channel",
        "job_id": "job",
        "nth": "nth",
        "created_at": "at",
    },
)


class PendingInteractionStore:
    """A part of the record; each method is one transaction."""

    def __init__(self, record: SqliteConnection) -> None:
        self._record = record

    async def add(self, pending: PendingInteraction) -> None:
        """This is to be answered."""
        await self._record.execute(
            PENDING_INTERACTIONS.insert_sql("ON CONFLICT DO NOTHING"),
            PENDING_INTERACTIONS.to_row(pending),
        )

    async def complete(self, interaction_id: int) -> None:
        """It was answered; its token is forgotten."""
        await self._record.execute(
            "DELETE FROM presses WHERE interaction = :interaction", {"interaction": interaction_id}
        )

    async def pending(self) -> list[PendingInteraction]:
        """Those that may not be answered, oldest first."""
        found = await self._record.fetch_all("SELECT * FROM presses ORDER BY at")
        return [PENDING_INTERACTIONS.from_row(row) for row in found]
