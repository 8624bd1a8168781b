"""Banned words and blocked users of guilds; each change has its audit entry."""

from typing import ClassVar, Final

from bot.db.audit_log import append_if_changed, decision
from bot.db.store import Store
from bot.db.tables import Table
from bot.domain.moderation import AuditAction, Block, GuildRules
from bot.errors import Refused
from bot.i18n import _
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


class ModerationStore(Store):
    """Writes the tables `banned_words` and `blocks`."""

    retained_tables: ClassVar = {
        "banned_words": "a setting of the guild, not data of a user",
        "blocks": "a block stays in force until moderators lift it",
    }

    async def rules_for(self, guild_id: int | None, user_id: int) -> GuildRules:
        """The rules for a request of this user there; none in direct messages."""
        if guild_id is None:
            return GuildRules()
        rows = await self._connection.fetch_all(
            "SELECT reason AS blocked, NULL AS word FROM blocks WHERE guild = ? AND person = ? "
            "UNION ALL SELECT NULL, word FROM banned_words WHERE guild = ?",
            guild_id,
            user_id,
            guild_id,
        )
        blocked = next((row["blocked"] for row in rows if row["word"] is None), None)
        return GuildRules(blocked, tuple(row["word"] for row in rows if row["word"] is not None))

    async def banned_words(self, guild_id: int) -> list[str]:
        """The banned words of a guild in alphabetical order."""
        rows = await self._connection.fetch_all(
            "SELECT word FROM banned_words WHERE guild = ? ORDER BY word", guild_id
        )
        return [row["word"] for row in rows]

    async def ban_word(self, guild_id: int, word: str, *, actor_id: int, now: float) -> bool:
        """False if it was banned before. Raises Refused if the list is full."""
        entry = decision(AuditAction.WORD_ADDED, guild_id, word, actor_id=actor_id, now=now)
        async with self._connection.transaction() as db:
            [(count,)] = await db.execute_fetchall(
                "SELECT count(*) FROM banned_words WHERE guild = ? AND word != ?", (guild_id, word)
            )
            if count >= MAX_WORDS:
                sentence = _("The list can hold at most {limit} words. Remove one first.")
                raise Refused(sentence.format(limit=MAX_WORDS))
            cursor = await db.execute(
                "INSERT INTO banned_words (guild, word) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (guild_id, word),
            )
            return await append_if_changed(db, cursor, entry)

    async def unban_word(self, guild_id: int, word: str, *, actor_id: int, now: float) -> bool:
        """False if it was not banned."""
        entry = decision(AuditAction.WORD_REMOVED, guild_id, word, actor_id=actor_id, now=now)
        async with self._connection.transaction() as db:
            cursor = await db.execute(
                "DELETE FROM banned_words WHERE guild = ? AND word = ?", (guild_id, word)
            )
            return await append_if_changed(db, cursor, entry)

    async def block(self, block: Block) -> bool:
        """Block a user or change the reason; False if the same block exists."""
        clause = (
            "ON CONFLICT (guild, person) DO UPDATE SET reason = :reason, "
            "moderator = :moderator, at = :at WHERE reason != :reason"
        )
        entry = decision(
            AuditAction.BLOCKED,
            block.guild_id,
            block.reason,
            actor_id=block.moderator_id,
            now=block.created_at,
            target_id=block.user_id,
        )
        async with self._connection.transaction() as db:
            cursor = await db.execute(BLOCKS.insert_sql(clause), BLOCKS.to_row(block))
            return await append_if_changed(db, cursor, entry)

    async def unblock(self, guild_id: int, user_id: int, *, actor_id: int, now: float) -> bool:
        """False if the user was not blocked."""
        entry = decision(
            AuditAction.UNBLOCKED, guild_id, actor_id=actor_id, now=now, target_id=user_id
        )
        async with self._connection.transaction() as db:
            cursor = await db.execute(
                "DELETE FROM blocks WHERE guild = ? AND person = ?", (guild_id, user_id)
            )
            return await append_if_changed(db, cursor, entry)

    async def blocks(self, guild_id: int) -> list[Block]:
        """The blocks of a guild, newest first."""
        rows = await self._connection.fetch_all(
            "SELECT * FROM blocks WHERE guild = ? ORDER BY at DESC", guild_id
        )
        return [BLOCKS.from_row(row) for row in rows]
