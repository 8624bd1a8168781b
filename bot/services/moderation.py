"""The decisions of a guild's moderators and managers; each has its audit entry."""

from collections.abc import Sequence

from bot.db.audit_log import AuditLog
from bot.db.guild_settings import GuildSettingsStore
from bot.db.moderation import ModerationStore
from bot.domain import guild_settings as changes
from bot.domain.clock import Clock
from bot.domain.guild_settings import Change, GuildSettings
from bot.domain.limits import Limits, RoleLimit, check_role, clamp_to_operator_limit
from bot.domain.moderation import AuditEntry, Block, check_not_blocked
from bot.domain.nsfw import NsfwPolicy
from bot.prompt_filter.filter import normalize_banned_word


class ModerationService:
    """Banned words, blocks and settings of guilds, and the audit log.

    Each change and its audit entry are one transaction; `actor_id` is the user who decided. A
    change that changes nothing has no entry.
    """

    def __init__(
        self,
        moderation: ModerationStore,
        guild_settings: GuildSettingsStore,
        audit_log: AuditLog,
        *,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._moderation = moderation
        self._guild_settings = guild_settings
        self._audit_log = audit_log
        self.default_limits = limits
        """Of a user without a role limit."""
        self._clock = clock

    async def audit_page(self, guild_id: int, number: int, size: int) -> list[AuditEntry]:
        """A page of the guild's audit entries, newest first; pages are counted from 1."""
        return await self._audit_log.page(guild_id, number, size)

    # Banned words

    async def banned_words(self, guild_id: int) -> list[str]:
        """In alphabetical order."""
        return await self._moderation.banned_words(guild_id)

    async def ban_word(self, guild_id: int, word: str, *, actor_id: int) -> tuple[str, bool]:
        """The word as it is stored, and whether it was not banned before.

        Raises Refused if the word cannot be banned or the list is full.
        """
        word, now = normalize_banned_word(word), self._clock()
        return word, await self._moderation.ban_word(guild_id, word, actor_id=actor_id, now=now)

    async def unban_word(self, guild_id: int, word: str, *, actor_id: int) -> tuple[str, bool]:
        """The word as it was stored, and whether it was banned before."""
        word, now = normalize_banned_word(word), self._clock()
        return word, await self._moderation.unban_word(guild_id, word, actor_id=actor_id, now=now)

    # Blocks

    async def check_not_blocked(self, guild_id: int | None, user_id: int) -> None:
        """Raise PolicyViolation if moderators of the guild have blocked this user."""
        check_not_blocked(await self._moderation.rules_for(guild_id, user_id))

    async def blocks(self, guild_id: int) -> list[Block]:
        """The newest first."""
        return await self._moderation.blocks(guild_id)

    async def block(self, guild_id: int, user_id: int, reason: str, *, actor_id: int) -> bool:
        """Block a user or change the reason; False if the same block exists."""
        block = Block(
            guild_id=guild_id,
            user_id=user_id,
            reason=reason,
            moderator_id=actor_id,
            created_at=self._clock(),
        )
        return await self._moderation.block(block)

    async def unblock(self, guild_id: int, user_id: int, *, actor_id: int) -> bool:
        """False if the user was not blocked."""
        now = self._clock()
        return await self._moderation.unblock(guild_id, user_id, actor_id=actor_id, now=now)

    # Settings

    async def settings(self, guild_id: int) -> GuildSettings:
        """All settings of the guild."""
        return await self._guild_settings.get(guild_id)

    async def set_nsfw_policy(
        self, guild_id: int, channel_id: int | None, policy: NsfwPolicy, *, actor_id: int
    ) -> None:
        """For one channel, or for all that have no policy of their own."""
        await self.change(guild_id, changes.set_nsfw_policy(channel_id, policy), actor_id=actor_id)

    async def role_limits(self, guild_id: int) -> Sequence[RoleLimit]:
        """As they apply: reduced to what the operator allows roles at most."""
        limits = (await self.settings(guild_id)).role_limits
        return [clamp_to_operator_limit(limit, self.default_limits) for limit in limits]

    async def change_role_limit(self, guild_id: int, limit: RoleLimit, *, actor_id: int) -> None:
        """Change those limits of a role that are not None.

        Raises Refused if the operator does not allow them.
        """
        check_role(limit, self.default_limits)
        await self.change(guild_id, changes.change_role_limit(limit), actor_id=actor_id)

    async def remove_role_limit(self, guild_id: int, role_id: int, *, actor_id: int) -> bool:
        """False if the role has no limits of its own."""
        return await self.change(guild_id, changes.remove_role_limit(role_id), actor_id=actor_id)

    async def set_mod_channel(
        self, guild_id: int, channel_id: int | None, *, actor_id: int
    ) -> None:
        """Choose the channel that reports are posted to, or none."""
        await self.change(guild_id, changes.set_mod_channel(channel_id), actor_id=actor_id)

    async def change(self, guild_id: int, change: Change, *, actor_id: int) -> bool:
        """Change a setting; False if it was so before. Raises Refused as `change` does."""
        _, differs = await self._guild_settings.change(
            guild_id, change, actor_id=actor_id, now=self._clock()
        )
        return differs
