"""The service for decisions of a guild's moderators and managers."""

import msgspec
import pytest

from bot.db.database import Database
from bot.domain.limits import LIMITS, RoleLimit
from bot.domain.moderation import AuditAction
from bot.domain.nsfw import NsfwPolicy
from bot.errors import PolicyViolation, Refused
from bot.services.moderation import ModerationService


@pytest.fixture
def moderation(db: Database) -> ModerationService:
    """The service of a bot whose operator lets roles have twice the default, at 12 seconds."""
    return ModerationService(
        db.moderation,
        db.guild_settings,
        db.audit_log,
        limits=msgspec.structs.replace(LIMITS, role_factor=2),
        clock=lambda: 12.0,
    )


async def test_a_block_applies_to_one_user_in_one_guild(moderation: ModerationService) -> None:
    """The user can use the bot in other guilds and in DMs, and other users are not blocked."""
    assert await moderation.block(3, 1, "rude", actor_id=9)
    with pytest.raises(PolicyViolation, match="blocked you from using me here: rude"):
        await moderation.check_not_blocked(3, 1)
    for guild_id, user_id in ((4, 1), (None, 1), (3, 2)):
        await moderation.check_not_blocked(guild_id, user_id)
    assert await moderation.unblock(3, 1, actor_id=9)
    await moderation.check_not_blocked(3, 1)


async def test_each_change_has_one_audit_entry(moderation: ModerationService) -> None:
    """A repetition changes nothing, so it has none."""
    for _ in range(2):
        await moderation.ban_word(3, "Blood", actor_id=9)
        await moderation.block(3, 1, "rude", actor_id=9)
        await moderation.set_nsfw_policy(3, 10, NsfwPolicy.SPOILER, actor_id=9)
        await moderation.set_nsfw_policy(3, None, NsfwPolicy.ALLOW, actor_id=9)
        await moderation.change_role_limit(3, RoleLimit(role_id=7, max_running=2), actor_id=9)
        await moderation.set_mod_channel(3, 11, actor_id=9)
    for _ in range(2):
        await moderation.unban_word(3, "blood", actor_id=9)
        await moderation.unblock(3, 1, actor_id=9)
        await moderation.remove_role_limit(3, 7, actor_id=9)
        await moderation.set_mod_channel(3, None, actor_id=9)
    entries = await moderation.audit_page(3, 1, 100)
    assert {(entry.created_at, entry.actor_id) for entry in entries} == {(12.0, 9)}
    assert [(entry.action, entry.detail) for entry in reversed(entries)] == [
        (AuditAction.WORD_ADDED, "blood"),
        (AuditAction.BLOCKED, "rude"),
        (AuditAction.SET, "flagged pictures: spoiler"),
        (AuditAction.SET, "flagged pictures: allow"),
        (AuditAction.SET, "<@&7>: 2 running"),
        (AuditAction.SET, "reports go to <#11>"),
        (AuditAction.WORD_REMOVED, "blood"),
        (AuditAction.UNBLOCKED, ""),
        (AuditAction.SET, "<@&7>: no limits of its own"),
        (AuditAction.SET, "no channel for reports"),
    ]


async def test_a_refused_limit_changes_nothing(moderation: ModerationService) -> None:
    """A role cannot get more than the operator allows."""
    with pytest.raises(Refused, match="allows roles at most 10"):
        await moderation.change_role_limit(3, RoleLimit(role_id=7, max_unfinished=11), actor_id=9)
    assert await moderation.role_limits(3) == []
    assert await moderation.audit_page(3, 1, 100) == []
