"""Presses of U in the record."""

import sqlite3
from pathlib import Path

import pytest

from bot.db import migrations
from bot.db.database import Database
from bot.db.pending_interactions import INTERACTION_SECONDS, PendingInteraction
from tests.samples import job


def press(interaction: int = 1, *, job: str = "j1", at: float = 1000.0) -> PendingInteraction:
    """Somebody wants the second picture."""
    return PendingInteraction(
        interaction_id=interaction,
        application_id=2,
        token="a secret",  # noqa: S106 # nobody's
        channel_id=3,
        job_id=job,
        nth=2,
        created_at=at,
    )


async def test_a_press_is_kept_until_it_is_settled(tmp_path: Path) -> None:
    """Once, however often Discord tells of it; its token stands in no log."""
    migrations.migrate(tmp_path / "imagine.db")
    async with Database(tmp_path / "imagine.db") as db:
        await db.jobs.add(job("j1"))
        presses = db.pending_interactions
        for each in (press(1), press(1), press(2, at=999.0)):
            await presses.add(each)
        assert await presses.pending() == [press(2, at=999.0), press(1)]
        await presses.complete(2)
        assert await presses.pending() == [press(1)]
        assert "secret" not in repr(press())
        with pytest.raises(sqlite3.IntegrityError):
            await presses.add(press(3, job="nobody's"))


async def test_a_press_goes_with_its_token(tmp_path: Path) -> None:
    """After that nobody can answer it."""
    migrations.migrate(tmp_path / "imagine.db")
    async with Database(tmp_path / "imagine.db") as db:
        await db.jobs.add(job("j1"))
        presses = db.pending_interactions
        await presses.add(press())
        await db.erasure.expire_all(now=1000.0 + INTERACTION_SECONDS - 1)
        assert await presses.pending()
        await db.erasure.expire_all(now=1000.0 + INTERACTION_SECONDS)
        assert not await presses.pending()
