"""What moderators decided for their servers, in SQLite, each with its line in the audit log."""

from typing import Final

import aiosqlite

from bot.db.audit_log import Audit, note
from bot.db.database import Record
from bot.db.guild_settings import ModeratorsChannels
from bot.db.reports import Reports
from bot.db.tables import Table
from bot.domain.moderation import Action, Block, Entry, Standing
from bot.errors import Refused
from bot.prompt_filter.filter import MAX_WORDS

BLOCKS: Final = Table(
    "blocks",
    Block,
    {
        "guild": "guild",
        "person": "person",
        "reason": "reason",
        "moderator": "moderator",
        "at": "at",
    },
)


class Moderation:
    """Servers and people are named by Discord's ids."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self.audit = Audit(record)
        self.reports = Reports(record)
        self.channels = ModeratorsChannels(record)

    async def standing(self, guild: int | None, person: int) -> Standing:
        """What counts when this person asks for something there; nothing in direct messages."""
        if guild is None:
            return Standing()
        found = await self._record.rows(
            "SELECT reason AS blocked, NULL AS word FROM blocks WHERE guild = ? AND person = ? "
            "UNION ALL SELECT NULL, word FROM banned_words WHERE guild = ?",
            guild,
            person,
            guild,
        )
        blocked = next((row["blocked"] for row in found if row["word"] is None), None)
        return Standing(blocked, tuple(row["word"] for row in found if row["word"] is not None))

    # Words

    async def words(self, guild: int) -> list[str]:
        """A server's banned words, in the order of the alphabet."""
        found = await self._record.rows(
            "SELECT word FROM banned_words WHERE guild = ? ORDER BY word", guild
        )
        return [row["word"] for row in found]

    async def ban_word(self, guild: int, word: str, *, actor: int, now: float) -> bool:
        """False if it was banned before. Raises Refused if the list is full."""
        async with self._record.transaction() as connection:
            [(count,)] = await connection.execute_fetchall(
                "SELECT count(*) FROM banned_words WHERE guild = ? AND word != ?", (guild, word)
            )
            if count >= MAX_WORDS:
                raise Refused(f"The list holds {MAX_WORDS} words, and no more. Remove one first.")
            added = await connection.execute(
                "INSERT INTO banned_words (guild, word) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (guild, word),
            )
            entry = Entry(at=now, guild=guild, actor=actor, action=Action.WORD_ADDED, detail=word)
            return await _noted(connection, added, entry)

    async def allow_word(self, guild: int, word: str, *, actor: int, now: float) -> bool:
        """False if it was not banned."""
        async with self._record.transaction() as connection:
            dropped = await connection.execute(
                "DELETE FROM banned_words WHERE guild = ? AND word = ?", (guild, word)
            )
            entry = Entry(at=now, guild=guild, actor=actor, action=Action.WORD_REMOVED, detail=word)
            return await _noted(connection, dropped, entry)

    # People

    async def block(self, block: Block) -> bool:
        """Also with another reason than before; False if nothing is new."""
        async with self._record.transaction() as connection:
            clause = (
                "ON CONFLICT (guild, person) DO UPDATE SET reason = :reason, "
                "moderator = :moderator, at = :at WHERE reason != :reason"
            )
            changed = await connection.execute(BLOCKS.insert_sql(clause), BLOCKS.to_row(block))
            entry = Entry(
                at=block.at,
                guild=block.guild,
                actor=block.moderator,
                action=Action.BLOCKED,
                person=block.person,
                detail=block.reason,
            )
            return await _noted(connection, changed, entry)

    async def unblock(self, guild: int, person: int, *, actor: int, now: float) -> bool:
        """False if they were not blocked."""
        async with self._record.transaction() as connection:
            dropped = await connection.execute(
                "DELETE FROM blocks WHERE guild = ? AND person = ?", (guild, person)
            )
            entry = Entry(at=now, guild=guild, actor=actor, action=Action.UNBLOCKED, person=person)
            return await _noted(connection, dropped, entry)

    async def blocks(self, guild: int) -> list[Block]:
        """The blocked people of a server, newest first."""
        found = await self._record.rows(
            "SELECT * FROM blocks WHERE guild = ? ORDER BY at DESC", guild
        )
        return [BLOCKS.from_row(row) for row in found]

    async def unfinished(self, guild: int, person: int) -> list[str]:
        """The ids of this person's jobs there that have not ended."""
        found = await self._record.rows(
            "SELECT id FROM jobs WHERE guild = ? AND person = ? AND ended_at IS NULL", guild, person
        )
        return [row["id"] for row in found]


async def _noted(connection: aiosqlite.Connection, change: aiosqlite.Cursor, entry: Entry) -> bool:
    """Was anything changed? Then it is in the log."""
    if change.rowcount > 0:
        await note(connection, entry)
    return change.rowcount > 0
