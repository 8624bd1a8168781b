"""Interactions that were deferred but not answered yet, so that a restart can answer them."""

from typing import ClassVar, Final

import aiosqlite
import msgspec

from bot.db.store import Store
from bot.db.tables import Table

INTERACTION_SECONDS: Final = 15 * 60.0
"""How long an interaction's token is valid."""


class PendingInteraction(msgspec.Struct, frozen=True, kw_only=True):
    """A click on a U button: a user wants to see the nth picture of a job in this channel."""

    interaction_id: int
    application_id: int
    token: str
    channel_id: int
    job_id: str
    nth: int
    created_at: float
    """Seconds since 1970, by Discord's clock."""

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}(interaction_id={self.interaction_id}, job_id={self.job_id}, nth={self.nth})"


PENDING_INTERACTIONS: Final = Table(
    "pending_interactions",
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


class PendingInteractionStore(Store):
    """Writes the table `pending_interactions`."""

    retained_tables: ClassVar = {"pending_interactions": "its rows expire after 15 minutes"}

    async def add(self, pending: PendingInteraction) -> None:
        """Store an interaction that must be answered."""
        await self._connection.execute(
            PENDING_INTERACTIONS.insert_sql("ON CONFLICT DO NOTHING"),
            PENDING_INTERACTIONS.to_row(pending),
        )

    async def complete(self, interaction_id: int) -> None:
        """Delete an interaction that was answered, and its token."""
        await self._connection.execute(
            "DELETE FROM pending_interactions WHERE interaction = :interaction",
            {"interaction": interaction_id},
        )

    async def pending(self) -> list[PendingInteraction]:
        """Those that may not have been answered, oldest first."""
        rows = await self._connection.fetch_all("SELECT * FROM pending_interactions ORDER BY at")
        return [PENDING_INTERACTIONS.from_row(row) for row in rows]

    async def expire(self, db: aiosqlite.Connection, now: float) -> None:
        """Delete those whose token is no longer valid."""
        await db.execute(
            "DELETE FROM pending_interactions WHERE at <= ?", (now - INTERACTION_SECONDS,)
        )
