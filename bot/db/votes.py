"""Which users voted for which pictures."""

from collections.abc import Collection
from typing import Final

import aiosqlite

from bot.db import rows
from bot.db.store import Erasure, Store
from bot.db.tables import Table
from bot.domain.clock import DAY
from bot.domain.votes import Favourite, Vote

VOTE_DAYS: Final = 30
"""How long votes are kept."""
VOTES: Final = Table(
    "votes",
    Vote,
    {
        "message_id": "message",
        "user_id": "person",
        "job_id": "job",
        "nth": "nth",
        "created_at": "at",
    },
)
_MAX_RANKED: Final = 100
_RANKED: Final = (
    "SELECT pictures.*, count(DISTINCT votes.person) AS votes, "
    "max(votes.nth IS NOT NULL) AS is_chosen "
    "FROM votes JOIN jobs ON jobs.id = votes.job "
    "JOIN pictures ON pictures.job = votes.job "
    "AND coalesce(votes.nth, pictures.nth) = pictures.nth "
    "WHERE at >= :since AND jobs.channel = :channel AND erased IS NULL "
    "AND path IS NOT NULL AND restricted = 0 AND removed_at IS NULL "
    "GROUP BY +pictures.id "  # with +, else SQLite reads all pictures in this order
    "ORDER BY votes DESC, count(DISTINCT iif(votes.nth IS NULL, NULL, votes.person)) DESC, "
    "jobs.created_at DESC, pictures.nth LIMIT :limit"
)


class VoteStore(Store):
    """Writes the table `votes`. They go with the job, at the request of who voted, and by age."""

    erased_tables = ("votes",)

    async def add(self, vote: Vote) -> None:
        """Store a vote, unless the user has voted on this message, or the job was deleted."""
        async with self._connection.transaction() as db:
            erased = await db.execute_fetchall(
                "SELECT 1 FROM jobs WHERE id = ? AND erased IS NOT NULL", (vote.job_id,)
            )
            if not erased:
                await db.execute(VOTES.insert_sql("ON CONFLICT DO NOTHING"), VOTES.to_row(vote))

    async def remove(self, message_id: int, user_id: int | None = None) -> None:
        """Forget the vote of a user on this message, or those of all users."""
        async with self._connection.transaction() as db:
            await db.execute(
                "DELETE FROM votes WHERE message = :message AND person = coalesce(:person, person)",
                {"message": message_id, "person": user_id},
            )

    async def counts(self, message_ids: Collection[int]) -> dict[int, int]:
        """How many votes those of these messages have that have any."""
        stored = await self._connection.fetch_all(
            "SELECT message, count(*) AS votes FROM votes "
            "WHERE message IN (SELECT value FROM json_each(?)) GROUP BY message",
            rows.json(list(message_ids)),
        )
        return {row["message"]: row["votes"] for row in stored}

    async def voters(self, message_id: int) -> set[int]:
        """The users who voted on this message."""
        stored = await self._connection.fetch_all(
            "SELECT person FROM votes WHERE message = ?", message_id
        )
        return {row["person"] for row in stored}

    async def ranked(self, channel_id: int, *, since: float) -> list[Favourite]:
        """The pictures of this channel that users have voted for since this time, and that may be
        seen and changed: those with the most votes first, of equals the newest."""
        stored = await self._connection.fetch_all(
            _RANKED, channel=channel_id, since=since, limit=_MAX_RANKED
        )
        return [
            Favourite(rows.to_picture(row), row["votes"], bool(row["is_chosen"])) for row in stored
        ]

    async def of_user(self, user_id: int) -> list[Vote]:
        """All votes of a user, oldest first."""
        stored = await self._connection.fetch_all(
            "SELECT * FROM votes WHERE person = ? ORDER BY at, message", user_id
        )
        return [VOTES.from_row(row) for row in stored]

    async def erase_user_rows(self, db: aiosqlite.Connection, user_id: int) -> None:
        """Forget all votes of a user."""
        await db.execute("DELETE FROM votes WHERE person = ?", (user_id,))

    async def erase_jobs(self, db: aiosqlite.Connection, erasure: Erasure) -> None:
        """Forget the votes for the pictures of these jobs."""
        await db.execute(
            "DELETE FROM votes WHERE job IN (SELECT value FROM json_each(:job_ids))",
            {"job_ids": erasure.job_ids},
        )

    async def expire(self, db: aiosqlite.Connection, now: float) -> None:
        """Forget old votes."""
        await db.execute("DELETE FROM votes WHERE at <= ?", (now - VOTE_DAYS * DAY,))
