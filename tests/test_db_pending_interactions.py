"""Presses of U in the record."""

import sqlite3
from pathlib import Path

import pytest

from bot.db import migrations
from bot.db.erasure import PRESS_SECONDS, Privacy
from bot.db.jobs import Ledger
from bot.db.pending_interactions import Press, Presses
from tests.samples import job


def press(interaction: int = 1, *, job: str = "j1", at: float = 1000.0) -> Press:
    """Somebody wants the second picture."""
    return Press(
        interaction=interaction,
        application=2,
        token="a secret",  # noqa: S106 # nobody's
        channel=3,
        job=job,
        nth=2,
        at=at,
    )


async def test_a_press_is_kept_until_it_is_settled(tmp_path: Path) -> None:
    """Once, however often Discord tells of it; its token stands in no log."""
    migrations.migrate(tmp_path / "imagine.db")
    async with Ledger(tmp_path / "imagine.db") as ledger:
        await ledger.add(job("j1"))
        presses = Presses(ledger)
        for each in (press(1), press(1), press(2, at=999.0)):
            await presses.add(each)
        assert await presses.unsettled() == [press(2, at=999.0), press(1)]
        await presses.settle(2)
        assert await presses.unsettled() == [press(1)]
        assert "secret" not in repr(press())
        with pytest.raises(sqlite3.IntegrityError):
            await presses.add(press(3, job="nobody's"))


async def test_a_press_goes_with_its_token(tmp_path: Path) -> None:
    """After that nobody can answer it."""
    migrations.migrate(tmp_path / "imagine.db")
    async with Ledger(tmp_path / "imagine.db") as ledger:
        await ledger.add(job("j1"))
        presses = Presses(ledger)
        await presses.add(press())
        await Privacy(ledger).expire(now=1000.0 + PRESS_SECONDS - 1)
        assert await presses.unsettled()
        await Privacy(ledger).expire(now=1000.0 + PRESS_SECONDS)
        assert not await presses.unsettled()
