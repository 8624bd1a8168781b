"""Attempts of jobs at an engine."""

import time
from pathlib import Path

from bot.db.database import Database
from bot.domain.job import Status
from bot.domain.limits import Limits
from bot.engine_client.supervisor import supervised_engine
from bot.services.input_files import InputFiles
from bot.services.job_runner import JobRunner
from bot.storage import FileStorage
from tests.fake_engine import FakeEngine
from tests.fake_notifier import FakeNotifier
from tests.samples import job


async def test_a_job_that_was_cancelled_before_it_is_sent_is_not_painted(
    db: Database, engine: FakeEngine, tmp_path: Path
) -> None:
    """The engine could not be asked to stop it, as it did not have it yet."""
    await db.jobs.add(job("j1"))
    await db.jobs.mark_queued("j1", job().recipes)
    claimed = await db.jobs.claim("j1", now=1.0)
    assert claimed is not None
    storage = FileStorage(tmp_path)
    files = InputFiles(db.jobs, db.lineage, storage)
    async with supervised_engine(engine.launch) as client:
        runner = JobRunner(
            db.jobs,
            db.artifacts,
            db.usage,
            client,
            storage,
            files,
            FakeNotifier(),
            limits=Limits(),
            clock=time.time,
        )
        cancelled = await db.jobs.finish_without_pictures("j1", Status.CANCELLED, 2.0)
        assert cancelled is not None
        await runner.stop(cancelled)
        result = await runner.run(claimed, prior_seconds=0.0)
    assert (result.ended, result.engine_seconds) == (None, 0.0)
    assert engine.paints == []
