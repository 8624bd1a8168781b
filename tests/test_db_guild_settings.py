"""Settings of guilds."""

import sqlite3

import pytest

from bot.db.database import Database
from bot.db.guild_settings import NsfwSetting
from bot.domain.limits import RoleLimit
from bot.domain.moderation import AuditAction
from bot.domain.nsfw import NsfwPolicy, NsfwSettings


def setting(guild_id: int, channel_id: int | None, policy: NsfwPolicy) -> NsfwSetting:
    """A setting that an admin made."""
    return NsfwSetting(
        guild_id=guild_id, channel_id=channel_id, policy=policy, actor_id=9, created_at=5.0
    )


async def test_the_last_setting_counts(db: Database) -> None:
    """This holds for the guild and each of its channels; other guilds are not affected."""
    settings = db.nsfw_settings
    assert await settings.get(1) == NsfwSettings()
    await settings.set(setting(1, None, NsfwPolicy.ALLOW))
    await settings.set(setting(1, 10, NsfwPolicy.ALLOW))
    await settings.set(setting(1, 10, NsfwPolicy.SPOILER))
    await settings.set(setting(1, 11, NsfwPolicy.BLOCK))
    await settings.set(setting(2, None, NsfwPolicy.SPOILER))
    assert await settings.get(1) == NsfwSettings(
        NsfwPolicy.ALLOW, {10: NsfwPolicy.SPOILER, 11: NsfwPolicy.BLOCK}
    )
    assert await settings.get(2) == NsfwSettings(NsfwPolicy.SPOILER)
    assert await settings.get(3) == await settings.get(None) == NsfwSettings()


async def test_a_setting_has_an_audit_entry(db: Database) -> None:
    """The entry has the admin, the policy and the channel."""
    await db.nsfw_settings.set(setting(1, 10, NsfwPolicy.ALLOW))
    [entry] = await db.audit_log.page(1, 1, 10)
    assert (entry.actor_id, entry.created_at, entry.channel_id) == (9, 5.0, 10)
    assert (entry.action, entry.detail) == (AuditAction.SET, "flagged pictures: allow")


@pytest.mark.parametrize(
    "row", ["(1, 10, 'perhaps')", "(1, -1, 'allow')", "(1, NULL, 'allow')", "(NULL, 1, 'allow')"]
)
async def test_the_schema_rejects_unknown_policies(db: Database, row: str) -> None:
    """It also rejects negative channel ids."""
    with pytest.raises(sqlite3.IntegrityError):
        await db._connection.execute(f"INSERT INTO nsfw_levels VALUES {row}", {})  # noqa: S608 # ours


async def test_the_last_role_limit_counts(db: Database) -> None:
    """It applies to its guild only, until it is removed."""
    limits = db.role_limits
    await limits.put(5, RoleLimit(role_id=7, max_unfinished=9))
    await limits.put(5, RoleLimit(role_id=7, max_unfinished=10, daily_seconds=60))
    await limits.put(5, RoleLimit(role_id=8, max_running=2))
    await limits.put(6, RoleLimit(role_id=9, max_running=1))
    ours = [
        RoleLimit(role_id=7, max_unfinished=10, daily_seconds=60),
        RoleLimit(role_id=8, max_running=2),
    ]
    assert await limits.all(5) == ours
    assert await limits.of(5, [7, 9]) == ours[:1]
    assert await limits.remove(5, 7)
    assert not await limits.remove(5, 7)
    assert await limits.all(5) == ours[1:]
