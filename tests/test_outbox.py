"""Failed deliveries: which errors are retried, and what the user gets otherwise."""

import errno
import time

import aiohttp
import pytest

from bot.db.connection import DatabaseUnavailable
from bot.db.database import Database
from bot.domain.job import Status
from bot.errors import DeliveryFailed, ExitCode, FatalError
from tests.fake_notifier import FakeNotifier, outbox
from tests.samples import job, picture, usage_record


@pytest.fixture
async def accepted(db: Database) -> Database:
    """A database with one accepted job."""
    await db.jobs.add(job())
    return db


async def finish(db: Database, notifier: FakeNotifier) -> None:
    """End the job and deliver its ending; retries come at once."""
    assert await outbox(db, notifier).finish("j1", Status.FAILED, "Out of memory.")


async def is_delivered(db: Database) -> bool:
    """Whether the database records the ending as delivered."""
    return not await db.deliveries.undelivered()


@pytest.mark.parametrize(
    "error",
    [
        DeliveryFailed("no"),
        aiohttp.ClientError(),
        ConnectionResetError(),
        DatabaseUnavailable("locked"),
    ],
)
async def test_network_errors_are_retried(accepted: Database, error: Exception) -> None:
    """Attempts continue until the ending is delivered."""
    notifier = FakeNotifier(error, error)
    await finish(accepted, notifier)
    assert notifier.delivered == ["result"]
    assert await is_delivered(accepted)


async def test_a_wait_that_discord_asks_for_is_waited(accepted: Database) -> None:
    """An earlier attempt would prolong a ban."""
    start = time.monotonic()
    await finish(accepted, FakeNotifier(DeliveryFailed("no", retry_after=0.5)))
    assert time.monotonic() - start >= 0.5
    assert await is_delivered(accepted)


async def test_a_bug_is_logged_once_and_not_retried(
    accepted: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """The user gets an explanation, and the job counts as delivered."""
    notifier = FakeNotifier(KeyError("upscale"), DeliveryFailed("no"))
    await finish(accepted, notifier)
    assert len(notifier.delivered) == 1
    assert "Something went wrong" in notifier.delivered[0]
    assert await is_delivered(accepted)
    assert [record.exc_info is not None for record in caplog.records].count(True) == 1
    assert "KeyError: 'upscale'" in caplog.text


async def test_an_error_of_a_file_is_not_one_of_the_network(
    accepted: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """It would be retried for ever; the log has the reason and the path."""
    notifier = FakeNotifier(OSError(errno.EIO, "Input/output error", "/data/0.png"))
    await finish(accepted, notifier)
    assert "Something went wrong" in notifier.delivered[0]
    assert "Input/output error: '/data/0.png'" in caplog.text


async def test_a_damaged_database_is_not_retried(accepted: Database) -> None:
    """The error ends the bot, and the ending stays undelivered."""
    error = FatalError("The database is damaged.", ExitCode.DATABASE_BROKEN)
    with pytest.raises(FatalError):
        await finish(accepted, FakeNotifier(error))
    assert not await is_delivered(accepted)


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
    await outbox(db, notifier).deliver(ended)
    assert bool(await db.usage.for_user(1, now=200.0)) is pays
    assert len(await db.usage.cost_samples("r")) == 1


async def test_pictures_behind_a_bug_cost_nothing(db: Database) -> None:
    """The sentence about it is all that the user sees."""
    await db.jobs.add(job())
    await db.jobs.mark_queued("j1", job().recipes)
    assert await db.jobs.claim("j1", now=150.0)
    ended = await db.jobs.complete("j1", 1, [picture()], 160.0, usage_record())
    assert ended is not None
    await outbox(db, FakeNotifier(KeyError("upscale"))).deliver(ended)
    assert await db.usage.for_user(1, now=200.0) == []
