"""The polls that have not ended."""

import sqlite3
from typing import ClassVar, Final

import aiosqlite
import msgspec

from bot.db import rows
from bot.db.store import Store
from bot.domain.clock import DAY
from bot.domain.polls import MAX_HOURS, Poll

_KEPT_SECONDS: Final = MAX_HOURS * 3600 + 7 * DAY
"""A poll that ended while the bot was away for longer is not evaluated."""


class PollStore(Store):
    """Writes the table `polls`. A poll goes when it is evaluated, with its user, and by age."""

    retained_tables: ClassVar = {
        "polls": "of pictures that were deleted, nothing is crossed; those that a user started are "
        "deleted with the user's data"
    }

    async def add(self, poll: Poll) -> None:
        """Store a poll, unless it is stored."""
        async with self._connection.transaction() as db:
            await db.execute(
                "INSERT INTO polls "
                "(message, channel, guild, person, winners, pictures, options, at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    poll.message_id,
                    poll.channel_id,
                    poll.guild_id,
                    poll.user_id,
                    poll.winners,
                    rows.json(poll.picture_ids),
                    rows.json(poll.options),
                    poll.created_at,
                ),
            )

    async def remove(self, message_id: int) -> None:
        """Forget a poll."""
        async with self._connection.transaction() as db:
            await db.execute("DELETE FROM polls WHERE message = ?", (message_id,))

    async def find(self, message_id: int) -> Poll | None:
        """The poll of a message, if it has not been evaluated."""
        stored = await self._connection.fetch_all(
            "SELECT * FROM polls WHERE message = ?", message_id
        )
        return _poll(stored[0]) if stored else None

    async def all(self) -> list[Poll]:
        """All polls, oldest first."""
        return [_poll(row) for row in await self._connection.fetch_all(_ALL)]

    async def of_user(self, user_id: int) -> list[Poll]:
        """The polls that a user started, oldest first."""
        stored = await self._connection.fetch_all(
            "SELECT * FROM polls WHERE person = ? ORDER BY at", user_id
        )
        return [_poll(row) for row in stored]

    async def erase_user_rows(self, db: aiosqlite.Connection, user_id: int) -> None:
        """Forget the polls that a user started."""
        await db.execute("DELETE FROM polls WHERE person = ?", (user_id,))

    async def expire(self, db: aiosqlite.Connection, now: float) -> None:
        """Forget polls that ended long ago."""
        await db.execute("DELETE FROM polls WHERE at <= ?", (now - _KEPT_SECONDS,))


_ALL: Final = "SELECT * FROM polls ORDER BY at"


def _poll(row: sqlite3.Row) -> Poll:
    return Poll(
        message_id=row["message"],
        channel_id=row["channel"],
        guild_id=row["guild"],
        user_id=row["person"],
        winners=row["winners"],
        picture_ids=msgspec.json.decode(row["pictures"], type=tuple[str, ...]),
        options=msgspec.json.decode(row["options"], type=dict[str, object]),
        created_at=row["at"],
    )
