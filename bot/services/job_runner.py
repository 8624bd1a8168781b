"""Runs one attempt of a job: sends it to the engine and stores how it ended."""

import asyncio
import logging

import msgspec

from bot.db.connection import retry_until_written
from bot.db.jobs import JobStore
from bot.db.usage import UsageRecord, UsageStore
from bot.domain import cost_model, rules
from bot.domain.clock import Clock
from bot.domain.job import Job, Progress, Status
from bot.domain.limits import Limits
from bot.domain.picture import Picture, picture_id
from bot.engine_client.base import EngineClient, EngineDied, EventCallback
from bot.errors import BotError, Refused
from bot.services.notifier import Notifier
from bot.storage import FileStorage
from engine.contract import (
    Cancelled,
    Completed,
    Ending,
    Failed,
    ImageDone,
    JobEvent,
    Paint,
    PaintedImage,
    Recipe,
    Stepped,
    sha256,
)

log = logging.getLogger(__name__)


class JobResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one attempt."""

    engine_seconds: float
    ended: Job | None
    """The job if this attempt ended it; None if it was queued again or had already ended."""


class JobRunner:
    """Holds no state that must survive a restart: that is in the database."""

    def __init__(
        self,
        jobs: JobStore,
        usage: UsageStore,
        engine: EngineClient,
        storage: FileStorage,
        notifier: Notifier,
        *,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._usage = usage
        self._engine = engine
        self._storage = storage
        self._notifier = notifier
        self._limits = limits
        self._clock = clock
        self._running: set[str] = set()
        self._uncharged: set[str] = set()
        """Ids of running jobs for which nobody pays if they end without pictures."""

    async def run(self, job: Job, *, prior_seconds: float) -> JobResult:
        """Run a claimed job on the engine and store the result.

        `prior_seconds` is the recent engine time of its user. If the engine dies, or this call is
        cancelled before the engine has finished, the job is queued again.
        """
        self._running.add(job.id)
        try:
            return await self._run(job, prior_seconds)
        finally:
            self._running.discard(job.id)
            self._uncharged.discard(job.id)

    async def _run(self, job: Job, prior_seconds: float) -> JobResult:
        images: dict[int, PaintedImage] = {}
        try:
            ending = await self._submit(job, prior_seconds, images)
        except EngineDied:
            await retry_until_written(lambda: self._jobs.requeue(job.id, job.attempt, crashed=True))
            return JobResult(engine_seconds=0.0, ended=None)
        except BotError as error:
            await self._delete_pictures(job)
            ended = await self._finish(job, Status.FAILED, str(error))
            return JobResult(engine_seconds=0.0, ended=ended)
        except asyncio.CancelledError:
            await self._jobs.requeue(job.id, job.attempt, crashed=False)
            raise
        ended = await self._store(job, ending, images)
        return JobResult(engine_seconds=ending.engine_seconds, ended=ended)

    def waive_charge(self, job_id: str) -> None:
        """Let nobody pay for a running job if it ends without pictures."""
        if job_id in self._running:
            self._uncharged.add(job_id)

    async def stop(self, job: Job) -> None:
        """Stop a cancelled job at the engine and delete its pictures.

        Its user is charged for the engine time that it took, unless `waive_charge` was called.
        """
        await self._engine.cancel(job.id, job.attempt)
        await self._delete_pictures(job)

    async def _submit(
        self, job: Job, prior_seconds: float, images: dict[int, PaintedImage]
    ) -> Ending:
        rules.check_models(job.recipes, self._engine.models)
        if job.crashes >= self._limits.max_crashes:
            raise Refused(f"This job crashed the engine {job.crashes} times, so I stopped trying.")
        inputs = dict.fromkeys(image for recipe in job.recipes for image in recipe.images)
        files = {name: await asyncio.to_thread(self._storage.source, name) for name in inputs}
        paint = Paint(
            job=job.id,
            attempt=job.attempt,
            recipes=job.recipes,
            inputs=tuple(inputs),
            adaptive=self._limits.adaptive,
            include_flagged=job.include_flagged,
            owner=str(job.user_id),
            prior_seconds=prior_seconds,
        )
        return await self._engine.submit(paint, self._event_callback(job, images), files)

    def _event_callback(self, job: Job, images: dict[int, PaintedImage]) -> EventCallback:
        def show(event: JobEvent) -> None:
            if isinstance(event, ImageDone):
                images[event.index] = event.image
            elif isinstance(event, Stepped) and event.step < event.steps:
                percent = 100 * event.step // event.steps
                self._notifier.show(job, Progress(percent=percent, preview=event.preview))

        return show

    async def _store(self, job: Job, ending: Ending, images: dict[int, PaintedImage]) -> Job | None:
        if isinstance(ending, Completed):
            return await self._complete(job, ending, images)
        if isinstance(ending, Failed):
            if ending.init_image_flagged:
                await self._delete_sources(job)
            status = Status.REFUSED if ending.init_image_flagged else Status.FAILED
            return await self._finish(job, status, ending.reason)
        ended = await self._finish(job, Status.CANCELLED)
        if ended is None:  # a user cancelled it
            await self._charge(job, ending)
        return ended

    async def _finish(self, job: Job, status: Status, reason: str | None = None) -> Job | None:
        return await retry_until_written(
            lambda: self._jobs.finish_without_pictures(job.id, status, self._clock(), reason=reason)
        )

    async def _complete(
        self, job: Job, completed: Completed, images: dict[int, PaintedImage]
    ) -> Job | None:
        try:
            pictures = await asyncio.to_thread(self._save_all, job, images)
        except OSError as error:
            log.exception("The pictures could not be written.")
            await self._delete_pictures(job)
            reason = f"The pictures could not be written to the bot's disk ({error.strerror})."
            return await self._finish(job, Status.FAILED, reason)
        charge, now = self._charge_for(job, completed), self._clock()
        current = await retry_until_written(
            lambda: self._jobs.complete(job.id, job.attempt, pictures, now, charge)
        ) or await retry_until_written(lambda: self._jobs.job(job.id))
        if current is not None and current.status is Status.DONE:
            return current
        await self._delete_pictures(job)  # meanwhile the job ended without pictures
        if current is not None and current.status is Status.CANCELLED:
            await self._charge(job, completed)
        return None

    async def _charge(self, job: Job, ending: Completed | Cancelled) -> None:
        """Charge the user for a job without pictures, unless the charge is waived."""
        if job.id in self._uncharged:
            return
        charge = self._charge_for(job, ending)
        await retry_until_written(lambda: self._usage.add(charge))

    def _charge_for(self, job: Job, ending: Completed | Cancelled) -> UsageRecord:
        is_sample = isinstance(ending, Completed) and cost_model.is_sample(job.recipes)
        return UsageRecord(
            job_id=job.id,
            attempt=job.attempt,
            user_id=job.user_id,
            seconds=ending.engine_seconds,
            created_at=self._clock(),
            revision=job.recipes[0].revision,
            pixels=cost_model.pixels(job.recipes),
            work=cost_model.work(job.recipes) if is_sample else None,
        )

    async def _delete_pictures(self, job: Job) -> None:
        await asyncio.to_thread(self._storage.delete_pictures, job.id)

    async def _delete_sources(self, job: Job) -> None:
        for source in {image for recipe in job.recipes for image in recipe.images}:
            await asyncio.to_thread(self._storage.delete_source, source)

    def _save_all(self, job: Job, images: dict[int, PaintedImage]) -> list[Picture]:
        return [
            self._save(job, index + 1, recipe, images[index])
            for index, recipe in enumerate(job.recipes)
        ]

    def _save(self, job: Job, nth: int, recipe: Recipe, image: PaintedImage) -> Picture:
        is_stored = image.png and (job.include_flagged or not image.flagged)
        path = self._storage.save_picture(job.id, nth, image.png) if is_stored else None
        return Picture(
            id=picture_id(job.id, nth),
            job_id=job.id,
            nth=nth,
            recipe=msgspec.structs.replace(recipe, row_class=image.row_class),
            sha256=image.sha256 or None,
            file_sha256=sha256(image.png) if path else None,
            path=path,
            is_withheld=image.flagged and path is None,
            is_flagged_but_kept=image.flagged and path is not None,
            verdicts=image.verdicts,
            failure_reason=image.failed,
            fingerprint=image.fingerprint,
        )
