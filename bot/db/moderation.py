"""What moderators decided for their servers, in SQLite, each with its line in the audit log."""

from typing import Final

import aiosqlite

from bot.db.audit_log import AuditLog, append
from bot.db.database import SqliteConnection
from bot.db.guild_settings import ModChannelStore
from bot.db.reports import ReportStore
from bot.db.tables import Table
from bot.domain.moderation import AuditAction, AuditEntry, Block, GuildRules
from bot.errors import Refused
from bot.prompt_filter.filter import MAX_WORDS

BLOCKS: Final = Table(
    "blocks",
    Block,
    {
        "guild_id": "guild",
        "user_id": "person",
        "reason": "reason",
        "moderator_id": "moderator",
        "created_at": "at",
    },
)


class ModerationStore:
    """Servers and people are named by Discord's ids."""

    def __init__(self, record: SqliteConnection) -> None:
        self._record = record
        self.audit_log = AuditLog(record)
        self.reports = ReportStore(record)
        self.channels = ModChannelStore(record)

    async def rules_for(self, guild_id: int | None, user_id: int) -> GuildRules:
        """What counts when this person asks for something there; nothing in direct messages."""
        if guild_id is None:
            return GuildRules()
        found = await self._record.fetch_all(
            "SELECT reason AS blocked, NULL AS word FROM blocks WHERE guild = ? AND person = ? "
            "UNION ALL SELECT NULL, word FROM banned_words WHERE guild = ?",
            guild_id,
            user_id,
            guild_id,
        )
        blocked = next((row["blocked"] for row in found if row["word"] is None), None)
        return GuildRules(blocked, tuple(row["word"] for row in found if row["word"] is not None))

    # Words

    async def banned_words(self, guild_id: int) -> list[str]:
        """A server's banned words, in the order of the alphabet."""
        found = await self._record.fetch_all(
            "SELECT word FROM banned_words WHERE guild = ? ORDER BY word", guild_id
        )
        return [row["word"] for row in found]

    async def ban_word(self, guild_id: int, word: str, *, actor_id: int, now: float) -> bool:
        """False if it was banned before. Raises Refused if the list is full."""
        async with self._record.transaction() as connection:
            [(count,)] = await connection.execute_fetchall(
                "SELECT count(*) FROM banned_words WHERE guild = ? AND word != ?", (guild_id, word)
            )
            if count >= MAX_WORDS:
                raise Refused(f"The list holds {MAX_WORDS} words, and no more. Remove one first.")
            added = await connection.execute(
                "INSERT INTO banned_words (guild, word) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (guild_id, word),
            )
            entry = AuditEntry(
                created_at=now,
                guild_id=guild_id,
                actor_id=actor_id,
                action=AuditAction.WORD_ADDED,
                detail=word,
            )
            return await _noted(connection, added, entry)

    async def unban_word(self, guild_id: int, word: str, *, actor_id: int, now: float) -> bool:
        """False if it was not banned."""
        async with self._record.transaction() as connection:
            dropped = await connection.execute(
                "DELETE FROM banned_words WHERE guild = ? AND word = ?", (guild_id, word)
            )
            entry = AuditEntry(
                created_at=now,
                guild_id=guild_id,
                actor_id=actor_id,
                action=AuditAction.WORD_REMOVED,
                detail=word,
            )
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
            entry = AuditEntry(
                created_at=block.created_at,
                guild_id=block.guild_id,
                actor_id=block.moderator_id,
                action=AuditAction.BLOCKED,
                target_id=block.user_id,
                detail=block.reason,
            )
            return await _noted(connection, changed, entry)

    async def unblock(self, guild_id: int, user_id: int, *, actor_id: int, now: float) -> bool:
        """False if they were not blocked."""
        async with self._record.transaction() as connection:
            dropped = await connection.execute(
                "DELETE FROM blocks WHERE guild = ? AND person = ?", (guild_id, user_id)
            )
            entry = AuditEntry(
                created_at=now,
                guild_id=guild_id,
                actor_id=actor_id,
                action=AuditAction.UNBLOCKED,
                target_id=user_id,
            )
            return await _noted(connection, dropped, entry)

    async def blocks(self, guild_id: int) -> list[Block]:
        """The blocked people of a server, newest first."""
        found = await self._record.fetch_all(
            "SELECT * FROM blocks WHERE guild = ? ORDER BY at DESC", guild_id
        )
        return [BLOCKS.from_row(row) for row in found]

    async def unfinished(self, guild_id: int, user_id: int) -> list[str]:
        """The ids of this person's jobs there that have not ended."""
        found = await self._record.fetch_all(
            "SELECT id FROM jobs WHERE guild = ? AND person = ? AND ended_at IS NULL",
            guild_id,
            user_id,
        )
        return [row["id"] for row in found]


async def _noted(
    connection: aiosqlite.Connection, change: aiosqlite.Cursor, entry: AuditEntry
) -> bool:
    """Was anything changed? Then it is in the log."""
    if change.rowcount > 0:
        await append(connection, entry)
    return change.rowcount > 0
