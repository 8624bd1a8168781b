"""Settings of guilds."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.db import migrations
from bot.db.database import FILENAME, Database
from bot.domain.guild_settings import (
    Change,
    GuildSettings,
    change_role_limit,
    remove_role_limit,
    set_mod_channel,
    set_nsfw_policy,
)
from bot.domain.limits import RoleLimit
from bot.domain.moderation import AuditAction
from bot.domain.nsfw import NsfwPolicy, NsfwSettings
from tests.bot_harness import query

BEFORE = 11
"""A version with the old tables."""


async def change(db: Database, guild_id: int, change: Change) -> GuildSettings:
    """The settings of the guild after admin 9 changed them."""
    settings, _ = await db.guild_settings.change(guild_id, change, actor_id=9, now=5.0)
    return settings


async def test_the_last_setting_counts(db: Database) -> None:
    """This holds for the guild and each of its channels; other guilds are not affected."""
    assert await db.guild_settings.get(1) == GuildSettings()
    await change(db, 1, set_nsfw_policy(None, NsfwPolicy.ALLOW))
    await change(db, 1, set_nsfw_policy(10, NsfwPolicy.ALLOW))
    await change(db, 1, set_nsfw_policy(10, NsfwPolicy.SPOILER))
    await change(db, 1, set_nsfw_policy(11, NsfwPolicy.BLOCK))
    await change(db, 2, set_nsfw_policy(None, NsfwPolicy.SPOILER))
    assert (await db.guild_settings.get(1)).nsfw == NsfwSettings(
        NsfwPolicy.ALLOW, {10: NsfwPolicy.SPOILER, 11: NsfwPolicy.BLOCK}
    )
    assert (await db.guild_settings.get(2)).nsfw == NsfwSettings(NsfwPolicy.SPOILER)
    assert await db.guild_settings.get(3) == await db.guild_settings.get(None) == GuildSettings()


async def test_a_setting_has_an_audit_entry(db: Database) -> None:
    """The entry has the admin, the policy and the channel."""
    await change(db, 1, set_nsfw_policy(10, NsfwPolicy.ALLOW))
    [entry] = await db.audit_log.page(1, 1, 10)
    assert (entry.actor_id, entry.created_at, entry.channel_id) == (9, 5.0, 10)
    assert (entry.action, entry.detail) == (AuditAction.SET, "flagged pictures: allow")


async def test_only_what_differs_from_the_defaults_is_stored(db: Database, tmp_path: Path) -> None:
    """A default that a later version changes applies to all who have not chosen another value."""
    await change(db, 1, set_mod_channel(12))
    stored = query(tmp_path, "SELECT name, value FROM guild_settings")
    assert dict(map(tuple, stored)) == {"mod_channel_id": "12"}
    await change(db, 1, set_mod_channel(None))
    assert query(tmp_path, "SELECT * FROM guild_settings") == []


async def test_settings_of_a_newer_version_are_ignored(db: Database) -> None:
    """The bot can be replaced by an older one."""
    await db._connection.execute("INSERT INTO guild_settings VALUES (1, 'mood', '5')", {})
    assert await db.guild_settings.get(1) == GuildSettings()


@pytest.mark.parametrize(
    "row",
    [
        """(1, 'nsfw', '{"guild": "perhaps"}')""",
        "(1, 'nsfw', '')",
        "(1, 'role_limits', '{}')",
        "(1, 'mod_channel_id', '\"here\"')",
        "(NULL, 'mood', '4')",
    ],
)
async def test_the_schema_rejects_invalid_values(db: Database, row: str) -> None:
    """It also rejects a setting of no guild."""
    with pytest.raises(sqlite3.IntegrityError):
        await db._connection.execute(f"INSERT INTO guild_settings VALUES {row}", {})  # noqa: S608 # ours


async def set_limit(db: Database, guild_id: int, limit: RoleLimit) -> None:
    """Change limits of a role."""
    await change(db, guild_id, change_role_limit(limit))


async def limits_of(db: Database, guild_id: int) -> list[RoleLimit]:
    """The limits of all roles of the guild."""
    return list((await db.guild_settings.get(guild_id)).role_limits)


async def remove(db: Database, guild_id: int, role_id: int) -> bool:
    """Remove the limits of a role; False if it has none."""
    store, removal = db.guild_settings, remove_role_limit(role_id)
    return (await store.change(guild_id, removal, actor_id=9, now=6.0))[1]


async def audit_details(db: Database, guild_id: int) -> list[str]:
    """What the audit log says about the guild, oldest first."""
    return [entry.detail for entry in reversed(await db.audit_log.page(guild_id, 1, 100))]


async def test_the_last_role_limit_counts(db: Database) -> None:
    """It applies to its guild only, until it is removed."""
    await set_limit(db, 5, RoleLimit(role_id=7, max_unfinished=9))
    await set_limit(db, 5, RoleLimit(role_id=7, max_unfinished=10, daily_seconds=60))
    await set_limit(db, 5, RoleLimit(role_id=8, max_running=2))
    await set_limit(db, 6, RoleLimit(role_id=9, max_running=1))
    ours = [
        RoleLimit(role_id=7, max_unfinished=10, daily_seconds=60),
        RoleLimit(role_id=8, max_running=2),
    ]
    assert await limits_of(db, 5) == ours
    assert await remove(db, 5, 7)
    assert not await remove(db, 5, 7)
    assert await limits_of(db, 5) == ours[1:]


async def test_limits_that_are_left_out_stay(db: Database) -> None:
    """The others of the role are changed."""
    await set_limit(db, 5, RoleLimit(role_id=7, max_unfinished=9))
    await set_limit(db, 5, RoleLimit(role_id=7, max_running=2))
    assert await limits_of(db, 5) == [RoleLimit(role_id=7, max_unfinished=9, max_running=2)]


async def test_only_a_real_change_of_role_limits_has_an_audit_entry(db: Database) -> None:
    """Setting the same limits again and removing none have no entry."""
    for _ in range(2):
        await set_limit(db, 5, RoleLimit(role_id=7, max_unfinished=9))
    for _ in range(2):
        await remove(db, 5, 7)
    assert await audit_details(db, 5) == ["<@&7>: 9 unfinished", "<@&7>: no limits of its own"]
    [entry, _] = await db.audit_log.page(5, 1, 10)
    assert (entry.actor_id, entry.created_at, entry.action) == (9, 6.0, AuditAction.SET)


async def test_no_simultaneous_change_of_role_limits_is_lost(tmp_path: Path, db: Database) -> None:
    """Two admins change different limits of one role, also through different connections."""
    async with Database(tmp_path / FILENAME) as other:
        for role_id in range(20):
            await asyncio.gather(
                set_limit(db, 5, RoleLimit(role_id=role_id, max_unfinished=9)),
                set_limit(db, 5, RoleLimit(role_id=role_id, max_running=2)),
                set_limit(other, 5, RoleLimit(role_id=role_id, daily_seconds=60)),
            )
    assert await limits_of(db, 5) == [
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
    before = RoleLimit(role_id=7, max_unfinished=9)
    await set_limit(db, 5, before)
    await db._connection.execute(
        "CREATE TRIGGER full BEFORE INSERT ON audit_log BEGIN SELECT RAISE(ABORT, 'full'); END", {}
    )
    with pytest.raises(sqlite3.IntegrityError):
        if removes:
            await remove(db, 5, 7)
        else:
            await set_limit(db, 5, RoleLimit(role_id=7, max_unfinished=10))
    assert await limits_of(db, 5) == [before]


async def test_settings_of_old_versions_survive(tmp_path: Path) -> None:
    """They were in three tables."""
    path = tmp_path / FILENAME
    migrations.migrate(path, migrations.migrations()[:BEFORE])
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "INSERT INTO nsfw_levels VALUES (1, 0, 'allow'), (1, 10, 'block'), (2, 11, 'spoiler');"
            "INSERT INTO role_limits VALUES (1, 8, NULL, 2, NULL), (1, 7, 9, NULL, 60);"
            "INSERT INTO mod_channels VALUES (3, 9007199254740993);"
        )
    migrations.migrate(path)
    async with Database(path) as db:
        assert await db.guild_settings.get(1) == GuildSettings(
            nsfw=NsfwSettings(NsfwPolicy.ALLOW, {10: NsfwPolicy.BLOCK}),
            role_limits=(
                RoleLimit(role_id=7, max_unfinished=9, daily_seconds=60),
                RoleLimit(role_id=8, max_running=2),
            ),
        )
        nsfw = NsfwSettings(NsfwPolicy.BLOCK, {11: NsfwPolicy.SPOILER})
        assert await db.guild_settings.get(2) == GuildSettings(nsfw=nsfw)
        assert await db.guild_settings.get(3) == GuildSettings(mod_channel_id=9007199254740993)
