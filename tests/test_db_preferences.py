"""What is stored of the preferences, and what of it is in memory."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.db import migrations
from bot.db.database import FILENAME, Database
from bot.domain.moderation import AuditAction
from bot.domain.preference_settings import SETTINGS
from bot.domain.preferences import NO_PREFERENCES, Layer, Owner
from bot.domain.setting_values import Offer
from bot.services.preferences import PreferenceService
from tests.bot_harness import query
from tests.fake_engine import MODEL
from tests.stored_jobs import delivered_job

OFFER = Offer(models=(MODEL,), max_count=16)
GUILD, CHANNEL, USER = Owner(Layer.GUILD, 3), Owner(Layer.CHANNEL, 10), Owner(Layer.USER, 1)
BEFORE = 21
"""A version without the table."""


@pytest.fixture
def preferences(db: Database) -> PreferenceService:
    """The service on an empty database, at 12 seconds."""
    return PreferenceService(db.preferences, clock=lambda: 12.0)


async def set_steps(preferences: PreferenceService, owner: Owner, steps: int | None) -> bool:
    """Set the steps of an owner in guild 3, as user 9."""
    return await preferences.set(owner, SETTINGS["steps"], steps, OFFER, guild_id=3, actor_id=9)


async def reset(preferences: PreferenceService, owner: Owner) -> bool:
    """Reset the steps."""
    return await preferences.reset(owner, SETTINGS["steps"], guild_id=3, actor_id=9)


async def test_values_survive_a_restart(db: Database, preferences: PreferenceService) -> None:
    """Of each owner separately; None is stored, too, and a reset is not."""
    for owner, steps in ((GUILD, 30), (CHANNEL, 20), (USER, None), (Owner(Layer.USER, 2), 5)):
        assert await set_steps(preferences, owner, steps)
    assert await set_steps(preferences, GUILD, 40)
    assert await reset(preferences, CHANNEL)
    again = PreferenceService(db.preferences, clock=lambda: 12.0)
    await again.load()
    for service in (preferences, again):
        assert service.of(3, 10, None).steps == 40
        assert service.of(3, 10, 1).layer("steps") is Layer.USER
        assert (service.of(3, 10, 1).steps, service.of(None, 10, 2).steps) == (None, 5)
        assert service.of(4, 10, 7) == service.of(None, None, None) == NO_PREFERENCES


async def test_a_change_by_a_manager_has_an_audit_entry(
    db: Database, preferences: PreferenceService
) -> None:
    """A repetition changes nothing, so it has none; what users set for themselves has none."""
    for _ in range(2):
        await set_steps(preferences, GUILD, 30)
        await set_steps(preferences, CHANNEL, None)
        await set_steps(preferences, USER, 30)
    for _ in range(2):
        await reset(preferences, GUILD)
    entries = await db.audit_log.page(3, 1, 10)
    assert {(entry.created_at, entry.actor_id, entry.action) for entry in entries} == {
        (12.0, 9, AuditAction.SET)
    }
    assert [(entry.detail, entry.channel_id) for entry in reversed(entries)] == [
        ("steps: 30", None),
        ("steps: automatic", 10),
        ("steps: reset", None),
    ]


@pytest.mark.parametrize("is_reset", [False, True])
async def test_nothing_changes_without_its_audit_entry(
    db: Database, preferences: PreferenceService, is_reset: bool
) -> None:
    """Neither in the database nor in memory."""
    await set_steps(preferences, GUILD, 30)
    await db._connection.execute(
        "CREATE TRIGGER full BEFORE INSERT ON audit_log BEGIN SELECT RAISE(ABORT, 'full'); END", {}
    )
    with pytest.raises(sqlite3.IntegrityError):
        if is_reset:
            await reset(preferences, GUILD)
        else:
            await set_steps(preferences, GUILD, 31)
    assert preferences.of(3, None, None).steps == 30
    await preferences.load()
    assert preferences.of(3, None, None).steps == 30


async def test_the_settings_of_a_user_are_erased(
    db: Database, preferences: PreferenceService, tmp_path: Path
) -> None:
    """Those of others and of a channel of the same id stay."""
    for owner in (USER, Owner(Layer.CHANNEL, 1), Owner(Layer.USER, 2)):
        await set_steps(preferences, owner, 30)
    assert (await db.erasure.summary(1, now=1.0)).settings == 1
    async with preferences.erasing(1):
        await db.erasure.erase_user(1, now=1.0)
    assert preferences.values(USER) == {}
    assert (await db.erasure.summary(1, now=1.0)).is_empty
    rows = query(tmp_path, "SELECT layer, owner FROM preferences ORDER BY owner")
    assert list(map(tuple, rows)) == [("channel", 1), ("user", 2)]


async def test_settings_and_jobs_are_erased_together(
    db: Database, preferences: PreferenceService
) -> None:
    """If the transaction fails, both stay, also in memory."""
    await delivered_job(db, "j1")
    await set_steps(preferences, USER, 30)
    await db._connection.execute(
        "CREATE TRIGGER full BEFORE UPDATE ON jobs BEGIN SELECT RAISE(ABORT, 'full'); END", {}
    )
    with pytest.raises(sqlite3.IntegrityError):
        async with preferences.erasing(1):
            await db.erasure.erase_user(1, now=1.0)
    assert preferences.values(USER) == {"steps": 30}
    await preferences.load()
    assert preferences.values(USER) == {"steps": 30}


async def test_values_of_a_newer_version_are_ignored(
    db: Database, preferences: PreferenceService
) -> None:
    """They stay in the database."""
    await db._connection.execute(
        "INSERT INTO preferences VALUES ('user', 1, 'mood', '5'), ('user', 1, 'steps', '9')", {}
    )
    await preferences.load()
    assert preferences.values(USER) == {"steps": 9}
    await set_steps(preferences, USER, 8)
    assert len(await db.preferences.all()) == 2


@pytest.mark.parametrize(
    "row", ["('bot', 1, 'steps', '4')", "('user', 1, 'steps', '')", "('user', NULL, 'a', '4')"]
)
async def test_the_schema_rejects_invalid_values(db: Database, row: str) -> None:
    """The layer of the bot has no rows."""
    with pytest.raises(sqlite3.IntegrityError):
        await db._connection.execute(f"INSERT INTO preferences VALUES {row}", {})  # noqa: S608 # ours


async def test_settings_of_old_versions_survive(tmp_path: Path) -> None:
    """They were settings of guilds."""
    path = tmp_path / FILENAME
    migrations.migrate(path, migrations.migrations()[:BEFORE])
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "INSERT INTO guild_settings VALUES (3, 'display_scale', '4'),"
            "(3, 'default_model', '\"hub/Round\"'), (3, 'mod_channel_id', '12');"
        )
    migrations.migrate(path)
    async with Database(path) as db:
        preferences = PreferenceService(db.preferences, clock=lambda: 12.0)
        await preferences.load()
        assert preferences.values(GUILD) == {"display_scale": 4, "default_model": "hub/Round"}
        assert (await db.guild_settings.get(3)).mod_channel_id == 12
    assert len(query(tmp_path, "SELECT * FROM guild_settings")) == 1
