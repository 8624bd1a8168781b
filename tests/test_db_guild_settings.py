"""What those who manage servers chose, in the record."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.db import migrations
from bot.db.audit_log import Audit
from bot.db.guild_settings import Choice, NsfwLevels, RoleLimits
from bot.db.jobs import Ledger
from bot.domain.limits import RoleLimit
from bot.domain.moderation import Action
from bot.domain.nsfw import Choices, Level


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    """An empty record."""
    migrations.migrate(tmp_path / "imagine.db")
    async with Ledger(tmp_path / "imagine.db") as ledger:
        yield ledger


def choice(server: int, room: int | None, level: Level) -> Choice:
    """Somebody's, at some time."""
    return Choice(server=server, room=room, level=level, actor=9, at=5.0)


async def test_the_last_choice_counts(ledger: Ledger) -> None:
    """For a server as a whole and for each of its channels; other servers know nothing of it."""
    levels = NsfwLevels(ledger)
    assert await levels.of(1) == Choices()
    await levels.choose(choice(1, None, Level.ALLOW))
    await levels.choose(choice(1, 10, Level.ALLOW))
    await levels.choose(choice(1, 10, Level.SPOILER))
    await levels.choose(choice(1, 11, Level.BLOCK))
    await levels.choose(choice(2, None, Level.SPOILER))
    assert await levels.of(1) == Choices(Level.ALLOW, {10: Level.SPOILER, 11: Level.BLOCK})
    assert await levels.of(2) == Choices(Level.SPOILER)
    assert await levels.of(3) == await levels.of(None) == Choices()


async def test_a_choice_has_its_line_in_the_audit_log(ledger: Ledger) -> None:
    """Who chose what, and for which channel."""
    await NsfwLevels(ledger).choose(choice(1, 10, Level.ALLOW))
    [entry] = await Audit(ledger).page(1, 1, 10)
    assert (entry.actor, entry.at, entry.channel) == (9, 5.0, 10)
    assert (entry.action, entry.detail) == (Action.SET, "flagged pictures: allow")


@pytest.mark.parametrize(
    "row", ["(1, 10, 'perhaps')", "(1, -1, 'allow')", "(1, NULL, 'allow')", "(NULL, 1, 'allow')"]
)
async def test_the_record_takes_no_other_choice(ledger: Ledger, row: str) -> None:
    """None that nobody could have meant."""
    with pytest.raises(sqlite3.IntegrityError):
        await ledger.change(f"INSERT INTO nsfw_levels VALUES {row}", {})  # noqa: S608 # ours


async def test_a_role_allows_what_was_said_last(ledger: Ledger) -> None:
    """On its server, until it is taken away."""
    limits = RoleLimits(ledger)
    await limits.put(5, RoleLimit(role=7, waiting=9))
    await limits.put(5, RoleLimit(role=7, waiting=10, daily=60))
    await limits.put(5, RoleLimit(role=8, running=2))
    await limits.put(6, RoleLimit(role=9, running=1))
    ours = [RoleLimit(role=7, waiting=10, daily=60), RoleLimit(role=8, running=2)]
    assert await limits.all(5) == ours
    assert await limits.of(5, [7, 9]) == ours[:1]
    assert await limits.remove(5, 7)
    assert not await limits.remove(5, 7)
    assert await limits.all(5) == ours[1:]
