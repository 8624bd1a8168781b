"""Settings of guilds."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from bot.db.database import FILENAME, Database
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


async def change(db: Database, guild_id: int, limit: RoleLimit) -> RoleLimit:
    """The limits of the role after an admin changed these."""
    return await db.role_limits.change(guild_id, limit, actor_id=9, now=5.0)


async def audit_details(db: Database, guild_id: int) -> list[str]:
    """What the audit log says about the guild, oldest first."""
    return [entry.detail for entry in reversed(await db.audit_log.page(guild_id, 1, 100))]


async def test_the_last_role_limit_counts(db: Database) -> None:
    """It applies to its guild only, until it is removed."""
    limits = db.role_limits
    await change(db, 5, RoleLimit(role_id=7, max_unfinished=9))
    await change(db, 5, RoleLimit(role_id=7, max_unfinished=10, daily_seconds=60))
    await change(db, 5, RoleLimit(role_id=8, max_running=2))
    await change(db, 6, RoleLimit(role_id=9, max_running=1))
    ours = [
        RoleLimit(role_id=7, max_unfinished=10, daily_seconds=60),
        RoleLimit(role_id=8, max_running=2),
    ]
    assert await limits.all(5) == ours
    assert await limits.of(5, [7, 9]) == ours[:1]
    assert await limits.remove(5, 7, actor_id=9, now=6.0)
    assert not await limits.remove(5, 7, actor_id=9, now=6.0)
    assert await limits.all(5) == ours[1:]


async def test_limits_that_are_left_out_stay(db: Database) -> None:
    """A change returns all limits of the role."""
    await change(db, 5, RoleLimit(role_id=7, max_unfinished=9))
    limit = await change(db, 5, RoleLimit(role_id=7, max_running=2))
    assert limit == RoleLimit(role_id=7, max_unfinished=9, max_running=2)
    assert await db.role_limits.all(5) == [limit]


async def test_only_a_real_change_of_role_limits_has_an_audit_entry(db: Database) -> None:
    """Setting the same limits again and removing none have no entry."""
    for _ in range(2):
        await change(db, 5, RoleLimit(role_id=7, max_unfinished=9))
    for _ in range(2):
        await db.role_limits.remove(5, 7, actor_id=9, now=6.0)
    assert await audit_details(db, 5) == ["<@&7>: 9 unfinished", "<@&7>: no limits of its own"]
    [entry, _] = await db.audit_log.page(5, 1, 10)
    assert (entry.actor_id, entry.created_at, entry.action) == (9, 6.0, AuditAction.SET)


async def test_no_simultaneous_change_of_role_limits_is_lost(tmp_path: Path, db: Database) -> None:
    """Two admins change different limits of one role, also through different connections."""
    async with Database(tmp_path / FILENAME) as other:
        for role_id in range(20):
            await asyncio.gather(
                change(db, 5, RoleLimit(role_id=role_id, max_unfinished=9)),
                change(db, 5, RoleLimit(role_id=role_id, max_running=2)),
                change(other, 5, RoleLimit(role_id=role_id, daily_seconds=60)),
            )
    assert await db.role_limits.all(5) == [
        RoleLimit(role_id=role_id, max_unfinished=9, max_running=2, daily_seconds=60)
        for role_id in range(20)
    ]
    details = await audit_details(db, 5)
    assert len(details) == len(set(details)) == 60
    last = "9 unfinished, 2 running, 60 seconds in 24 hours"
    assert sum(detail.endswith(f": {last}") for detail in details) == 20


@pytest.mark.parametrize("removes", [False, True])
async def test_role_limits_do_not_change_without_an_audit_entry(
    db: Database, removes: bool
) -> None:
    """If the entry cannot be stored, the limits stay as they were."""
    before = await change(db, 5, RoleLimit(role_id=7, max_unfinished=9))
    await db._connection.execute(
        "CREATE TRIGGER full BEFORE INSERT ON audit_log BEGIN SELECT RAISE(ABORT, 'full'); END", {}
    )
    with pytest.raises(sqlite3.IntegrityError):
        if removes:
            await db.role_limits.remove(5, 7, actor_id=9, now=6.0)
        else:
            await change(db, 5, RoleLimit(role_id=7, max_unfinished=10))
    assert await db.role_limits.all(5) == [before]
