"""Failed deliveries: which errors are retried, and what the user gets otherwise."""

import errno
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.db import migrations
from bot.db.connection import DatabaseUnavailable
from bot.db.database import Database
from bot.db.jobs import JobStore
from bot.domain.job import Status
from bot.errors import DeliveryFailed, ExitCode, FatalError
from bot.services.outbox import Outbox
from tests.fake_notifier import FakeNotifier
from tests.samples import job, picture, usage_record


@pytest.fixture
async def jobs(tmp_path: Path) -> AsyncIterator[JobStore]:
    """A database with one accepted job."""
    migrations.migrate(tmp_path / "imagine.db")
    async with Database(tmp_path / "imagine.db") as db:
        await db.jobs.add(job())
        yield db.jobs


async def finish(jobs: JobStore, notifier: FakeNotifier) -> None:
    """End the job and deliver its ending; retries come at once."""
    outbox = Outbox(jobs, notifier, lambda: 200.0, retry_seconds=(0.0,))
    assert await outbox.finish("j1", Status.FAILED, "Out of memory.")


async def is_delivered(jobs: JobStore) -> bool:
    """Whether the database records the ending as delivered."""
    return not await jobs.undelivered()


@pytest.mark.parametrize(
    "error",
    [
        DeliveryFailed("no"),
        aiohttp.ClientError(),
        ConnectionResetError(),
        DatabaseUnavailable("locked"),
    ],
)
async def test_network_errors_are_retried(jobs: JobStore, error: Exception) -> None:
    """Attempts continue until the ending is delivered."""
    notifier = FakeNotifier(error, error)
    await finish(jobs, notifier)
    assert notifier.delivered == ["failed"]
    assert await is_delivered(jobs)


async def test_a_wait_that_discord_asks_for_is_waited(jobs: JobStore) -> None:
    """An earlier attempt would prolong a ban."""
    start = time.monotonic()
    await finish(jobs, FakeNotifier(DeliveryFailed("no", retry_after=0.5)))
    assert time.monotonic() - start >= 0.5
    assert await is_delivered(jobs)


async def test_a_bug_is_logged_once_and_not_retried(
    jobs: JobStore, caplog: pytest.LogCaptureFixture
) -> None:
    """The user gets an explanation, and the job counts as delivered."""
    notifier = FakeNotifier(KeyError("upscale"), DeliveryFailed("no"))
    await finish(jobs, notifier)
    assert len(notifier.delivered) == 1
    assert "Something went wrong" in notifier.delivered[0]
    assert await is_delivered(jobs)
    assert [record.exc_info is not None for record in caplog.records].count(True) == 1
    assert "KeyError: 'upscale'" in caplog.text


async def test_an_error_of_a_file_is_not_one_of_the_network(
    jobs: JobStore, caplog: pytest.LogCaptureFixture
) -> None:
    """It would be retried for ever; the log has the reason and the path."""
    notifier = FakeNotifier(OSError(errno.EIO, "Input/output error", "/data/0.png"))
    await finish(jobs, notifier)
    assert "Something went wrong" in notifier.delivered[0]
    assert "Input/output error: '/data/0.png'" in caplog.text


async def test_a_damaged_database_is_not_retried(jobs: JobStore) -> None:
    """The error ends the bot, and the ending stays undelivered."""
    error = FatalError("The database is damaged.", ExitCode.DATABASE_BROKEN)
    with pytest.raises(FatalError):
        await finish(jobs, FakeNotifier(error))
    assert not await is_delivered(jobs)


@pytest.mark.parametrize(
    ("status", "is_shown", "pays"),
    [
        (Status.DONE, True, True),
        (Status.DONE, False, False),
        (Status.CANCELLED, True, True),
        (Status.CANCELLED, False, True),
    ],
)
async def test_pictures_that_nobody_can_see_cost_nothing(
    db: Database, status: Status, is_shown: bool, pays: bool
) -> None:
    """A cancelled job is paid for: its user may have deleted the message. Samples stay."""
    await db.jobs.add(job())
    await db.jobs.mark_queued("j1", job().recipes)
    assert await db.jobs.claim("j1", now=150.0)
    if status is Status.DONE:
        ended = await db.jobs.complete("j1", 1, [picture()], 160.0, usage_record())
    else:
        ended = await db.jobs.finish_without_pictures("j1", status, 160.0)
        await db.usage.add(usage_record())
    assert ended is not None
    notifier = FakeNotifier(is_shown=is_shown)
    await Outbox(db.jobs, notifier, lambda: 200.0).deliver(ended)
    assert bool(await db.usage.for_user(1, now=200.0)) is pays
    assert len(await db.usage.cost_samples("r")) == 1


async def test_pictures_behind_a_bug_cost_nothing(db: Database) -> None:
    """The sentence about it is all that the user sees."""
    await db.jobs.add(job())
    await db.jobs.mark_queued("j1", job().recipes)
    assert await db.jobs.claim("j1", now=150.0)
    ended = await db.jobs.complete("j1", 1, [picture()], 160.0, usage_record())
    assert ended is not None
    await Outbox(db.jobs, FakeNotifier(KeyError("upscale")), lambda: 200.0).deliver(ended)
    assert await db.usage.for_user(1, now=200.0) == []
