"""Interactions that were deferred but not answered yet, so that a restart can answer them."""

from typing import ClassVar, Final

import aiosqlite

from bot.db.store import Store
from bot.db.tables import Table
from bot.domain.pending_interaction import PendingInteraction

INTERACTION_SECONDS: Final = 15 * 60.0
"""How long an interaction's token is valid."""


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
