"""Errors in the task of a job."""

import asyncio

import pytest

from bot.db.database import Database
from bot.domain.job import Status
from bot.errors import ExitCode, FatalError
from bot.services.job_tasks import JobTasks
from tests.fake_notifier import FakeNotifier, outbox
from tests.samples import job

DAMAGED = FatalError("The database is damaged.", ExitCode.DATABASE_BROKEN)


@pytest.fixture
async def db(db: Database) -> Database:
    """A database with one accepted job."""
    await db.jobs.add(job())
    return db


async def failing(error: Exception) -> None:
    """The work of a job; it raises this error."""
    raise error


async def test_an_unexpected_error_fails_the_job_only(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """The user gets an explanation, and the log has the traceback."""
    notifier = FakeNotifier()
    async with JobTasks(outbox(db, notifier)) as tasks:
        tasks.start("j1", failing(KeyError("upscale")))
        assert tasks.has_running_task("j1")
        await tasks.wait(5.0)
        assert not tasks.has_running_task("j1")
    stored = await db.jobs.job("j1")
    assert stored is not None and stored.status is Status.FAILED
    assert "went wrong. The error is" in (stored.failure_reason or "")
    assert notifier.delivered == ["result"]
    assert "KeyError: 'upscale'" in caplog.text


async def test_a_fatal_error_ends_watch(db: Database) -> None:
    """The job is not changed."""
    async with JobTasks(outbox(db, FakeNotifier())) as tasks:
        tasks.start("j1", failing(DAMAGED))
        with pytest.raises(FatalError, match="damaged"):
            await asyncio.wait_for(tasks.watch(), 20)
    stored = await db.jobs.job("j1")
    assert stored is not None and stored.status is Status.ACCEPTED


async def test_a_fatal_error_while_a_job_fails_ends_watch(db: Database) -> None:
    """The handler of the first error does not swallow it."""
    notifier = FakeNotifier(DAMAGED)
    async with JobTasks(outbox(db, notifier)) as tasks:
        tasks.start("j1", failing(KeyError("upscale")))
        with pytest.raises(FatalError, match="damaged"):
            await asyncio.wait_for(tasks.watch(), 20)


async def test_leaving_cancels_the_tasks(db: Database) -> None:
    """No task outlives the context."""
    async with JobTasks(outbox(db, FakeNotifier())) as tasks:
        tasks.start("j1", asyncio.sleep(60))
    assert not tasks.has_running_task("j1")
