"""Storing interactions until their response is complete."""

import sqlite3
from pathlib import Path

import pytest

from bot.db import migrations
from bot.db.database import Database
from bot.db.pending_interactions import INTERACTION_SECONDS
from bot.domain.pending_interaction import PendingInteraction
from tests.samples import job


def pending_interaction(
    interaction: int = 1, *, job: str = "j1", at: float = 1000.0
) -> PendingInteraction:
    """A click on U2."""
    return PendingInteraction(
        interaction_id=interaction,
        application_id=2,
        token="a secret",  # noqa: S106 # nobody's
        channel_id=3,
        job_id=job,
        nth=2,
        created_at=at,
    )


async def test_interactions_are_pending_until_completed(tmp_path: Path) -> None:
    """Each is stored once, and its repr hides the token."""
    migrations.migrate(tmp_path / "imagine.db")
    async with Database(tmp_path / "imagine.db") as db:
        await db.jobs.add(job("j1"))
        interactions = db.pending_interactions
        for interaction in (
            pending_interaction(1),
            pending_interaction(1),
            pending_interaction(2, at=999.0),
        ):
            await interactions.add(interaction)
        assert await interactions.pending() == [
            pending_interaction(2, at=999.0),
            pending_interaction(1),
        ]
        await interactions.complete(2)
        assert await interactions.pending() == [pending_interaction(1)]
        assert "secret" not in repr(pending_interaction())
        with pytest.raises(sqlite3.IntegrityError):
            await interactions.add(pending_interaction(3, job="nobody's"))


async def test_interactions_expire_with_their_token(tmp_path: Path) -> None:
    """An interaction cannot be responded to without its token."""
    migrations.migrate(tmp_path / "imagine.db")
    async with Database(tmp_path / "imagine.db") as db:
        await db.jobs.add(job("j1"))
        interactions = db.pending_interactions
        await interactions.add(pending_interaction())
        await db.erasure.expire_all(now=1000.0 + INTERACTION_SECONDS - 1)
        assert await interactions.pending()
        await db.erasure.expire_all(now=1000.0 + INTERACTION_SECONDS)
        assert not await interactions.pending()
