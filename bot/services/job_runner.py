"""Runs one attempt of a job: sends it to the engine and stores how it ended."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from bot.db.artifacts import ArtifactStore
from bot.db.connection import retry_until_written
from bot.db.jobs import JobStore
from bot.db.usage import UsageRecord, UsageStore
from bot.domain import restoration, rules
from bot.domain.artifact import Artifact
from bot.domain.clock import Clock
from bot.domain.job import Job, Progress, Status
from bot.domain.limits import Limits
from bot.domain.picture import Picture
from bot.engine_client.base import EngineClient, EngineDied
from bot.errors import BotError, Refused
from bot.i18n import _
from bot.services.charging import usage_record
from bot.services.input_files import InputFiles
from bot.services.notifier import Notifier
from bot.services.picture_saver import PictureSaver
from bot.storage import FileStorage
from engine.contract import (
    ArtifactDone,
    ArtifactRole,
    Cancelled,
    Capture,
    Completed,
    Ending,
    Failed,
    ImageDone,
    Inpaint,
    JobEvent,
    Paint,
    Recipe,
    Stepped,
    input_images,
)

_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 30.0
OnPainted: TypeAlias = Callable[[float], None]
log = logging.getLogger(__name__)


def _ignore(_: float) -> None:
    pass


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
        artifacts: ArtifactStore,
        usage: UsageStore,
        engine: EngineClient,
        storage: FileStorage,
        input_files: InputFiles,
        notifier: Notifier,
        *,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._artifacts = artifacts
        self._usage = usage
        self._engine = engine
        self._storage = storage
        self._input_files = input_files
        self._notifier = notifier
        self._limits = limits
        self._clock = clock
        self._running: set[str] = set()
        self._uncharged: set[str] = set()
        """Ids of running jobs for which nobody pays if they end without pictures."""

    async def run(
        self, job: Job, *, prior_seconds: float, on_painted: OnPainted = _ignore
    ) -> JobResult:
        """Run a claimed job on the engine and store the result.

        `prior_seconds` is the recent engine time of its user. `on_painted` is called with the share
        of the job that is painted. If the engine dies, or this call is cancelled before the engine
        has finished, the job is queued again.
        """
        self._running.add(job.id)
        try:
            return await self._run(job, prior_seconds, on_painted)
        finally:
            self._running.discard(job.id)
            self._uncharged.discard(job.id)

    async def _run(self, job: Job, prior_seconds: float, on_painted: OnPainted) -> JobResult:
        stored = await retry_until_written(lambda: self._jobs.stored_pictures(job.id))
        artifacts = await retry_until_written(lambda: self._artifacts.of_job(job.id))
        attempt = _Attempt(job, stored, artifacts)
        saver = PictureSaver(self._jobs, self._artifacts, self._storage, job, attempt.missing)
        try:
            async with saver:
                ending = await self._paint(attempt, saver, prior_seconds, on_painted)
        except EngineDied as error:
            await self._requeue(job, crashed=error.crashed)
            return JobResult(engine_seconds=0.0, ended=None)
        except BotError as error:
            ended = await self._fail(attempt, str(error))
            return JobResult(engine_seconds=0.0, ended=ended)
        except asyncio.CancelledError:
            await self._jobs.requeue(job.id, job.attempt, crashed=False)
            raise
        ended = await self._end(attempt, ending, saver)
        return JobResult(engine_seconds=ending.engine_seconds, ended=ended)

    async def _requeue(self, job: Job, *, crashed: bool) -> None:
        """Queue a job again whose attempt the engine did not end, with a delay that grows if it
        hands the job back: it may do so at once, and as often as it gets the job."""
        try:
            if not crashed:
                earlier = max(0, job.attempt - 1 - job.crashes)
                await asyncio.sleep(min(_FIRST_DELAY * 2**earlier, _LONGEST_DELAY))
        finally:
            await retry_until_written(
                lambda: self._jobs.requeue(job.id, job.attempt, crashed=crashed)
            )

    def waive_charge(self, job_id: str) -> None:
        """Let nobody pay for a running job if it ends without pictures."""
        if job_id in self._running:
            self._uncharged.add(job_id)

    async def stop(self, job: Job) -> None:
        """Stop a cancelled job at the engine and delete its pictures.

        Its user is charged for the engine time that it took, unless `waive_charge` was called.
        """
        await self._engine.cancel(job.id, job.attempt)
        if job.status is not Status.DONE:
            await self._delete_pictures(job)

    async def _paint(
        self,
        attempt: "_Attempt",
        saver: PictureSaver,
        prior_seconds: float,
        on_painted: OnPainted,
    ) -> Ending:
        """Have the engine paint the missing pictures. Raises BotError if it cannot."""
        job = attempt.job
        if not attempt.missing:  # the bot was killed before it could store the ending
            return Completed(job=job.id, attempt=job.attempt, seconds=0.0, engine_seconds=0.0)
        rules.check_models(attempt.recipes, self._engine.models)
        if job.crashes >= self._limits.max_crashes:
            raise Refused(
                _("This job crashed the engine {count} times, so I stopped trying.").format(
                    count=job.crashes
                )
            )
        requester = restoration.of_job(job)
        files = await self._input_files.read(job.id, attempt.recipes, requester)
        paint = Paint(
            job=job.id,
            attempt=job.attempt,
            recipes=attempt.recipes,
            inputs=tuple(files),
            capture=job.plan.capture,
            adaptive=self._limits.adaptive and not job.kind.keeps_row_classes,
            include_flagged=job.include_flagged,
            owner=str(job.user_id),
            prior_seconds=prior_seconds,
            is_alone=job.crashes > 0,
            fingerprint=await self._fingerprint(job),
        )

        def on_event(event: JobEvent) -> None:
            if isinstance(event, ImageDone):
                saver.add(event.index, event.image)
            elif isinstance(event, ArtifactDone):
                saver.add_artifact(event)
            elif isinstance(event, Stepped) and event.step < event.steps:
                progress = attempt.progress(event)
                on_painted((progress.percent or 0) / 100)
                self._notifier.show(job, progress)

        current = await retry_until_written(lambda: self._jobs.job(job.id))
        if current is None or current.has_ended:  # before the engine could be asked to stop it
            return Cancelled(job=job.id, attempt=job.attempt)
        return await self._engine.submit(paint, on_event, files)

    async def _fingerprint(self, job: Job) -> str:
        """That of the replicas of a cluster which paint the same bits as an earlier picture."""
        if self._engine.status.is_cluster and job.kind.keeps_row_classes:
            return await self._input_files.fingerprint(job.id)
        return ""

    async def _end(self, attempt: "_Attempt", ending: Ending, saver: PictureSaver) -> Job | None:
        job = attempt.job
        if isinstance(ending, Completed):
            return await self._complete(attempt, ending, saver)
        if isinstance(ending, Failed):
            if ending.init_image_flagged:
                await self._delete_sources(job)
                return await self._finish(job, Status.REFUSED, ending.reason)
            await saver.retry_unwritten()
            return await self._fail(attempt, ending.reason, ending)
        ended = await self._finish(job, Status.CANCELLED)
        if ended is None:  # a user cancelled it
            await self._charge(attempt, ending)
        return ended

    async def _finish(self, job: Job, status: Status, reason: str | None = None) -> Job | None:
        return await retry_until_written(
            lambda: self._jobs.finish_without_pictures(job.id, status, self._clock(), reason=reason)
        )

    async def _fail(
        self, attempt: "_Attempt", reason: str, ending: Ending | None = None
    ) -> Job | None:
        """End a job that cannot go on; the pictures that are stored stay."""
        job = attempt.job
        charge = None if ending is None else self._charge_for(attempt, ending)
        await self._delete_unstored_files(job)
        ended = await retry_until_written(
            lambda: self._jobs.fail(job.id, reason, self._clock(), charge)
        )
        if ended is not None and ended.status is not Status.DONE:
            await self._delete_pictures(job)
        return ended

    async def _complete(
        self, attempt: "_Attempt", completed: Completed, saver: PictureSaver
    ) -> Job | None:
        job = attempt.job
        unwritten = await saver.retry_unwritten()
        await saver.save_failures(completed.artifact_failures)
        stored = await retry_until_written(lambda: self._jobs.stored_pictures(job.id))
        numbers = {picture.nth for picture in stored}  # an earlier attempt may have written one
        failed = [picture for picture in unwritten if picture.nth not in numbers]
        failures = [picture.failure_reason for picture in (*stored, *failed)]
        if failures and failures[0] is not None and all(failures):
            return await self._fail(attempt, failures[0])
        charge = self._charge_for(attempt, completed) if attempt.missing else None
        now = self._clock()
        current = await retry_until_written(
            lambda: self._jobs.complete(job.id, job.attempt, failed, now, charge)
        ) or await retry_until_written(lambda: self._jobs.job(job.id))
        if current is not None and current.status is Status.DONE:
            return current
        await self._delete_pictures(job)  # meanwhile the job ended without pictures
        if current is not None and current.status is Status.CANCELLED:
            await self._charge(attempt, completed)
        return None

    async def _charge(self, attempt: "_Attempt", ending: Ending) -> None:
        """Charge the user for a job without pictures, unless the charge is waived."""
        if attempt.job.id in self._uncharged:
            return
        charge = self._charge_for(attempt, ending)
        await retry_until_written(lambda: self._usage.add(charge))

    def _charge_for(self, attempt: "_Attempt", ending: Ending) -> UsageRecord:
        job, works = attempt.job, attempt.recipes or attempt.job.recipes
        is_plain = isinstance(ending, Completed) and not attempt.roles
        return usage_record(job, works, ending, now=self._clock(), is_sample=is_plain)

    async def _delete_pictures(self, job: Job) -> None:
        await asyncio.to_thread(self._storage.delete_pictures, job.id)

    async def _delete_unstored_files(self, job: Job) -> None:
        """Delete files that were written, but not stored before a bot was killed."""
        stored = await retry_until_written(lambda: self._jobs.stored_pictures(job.id))
        numbers = {picture.nth for picture in stored}
        for nth in range(1, len(job.recipes) + 1):
            if nth not in numbers:
                await asyncio.to_thread(self._storage.delete_picture, job.id, nth)

    async def _delete_sources(self, job: Job) -> None:
        """Delete the input images of a job but for masks, which show nothing, and which other jobs
        may have too."""
        recipes = [recipe for recipe in job.recipes if isinstance(recipe, Recipe)]
        sources = (recipe.source for recipe in recipes)
        masks = {source.mask for source in sources if isinstance(source, Inpaint)}
        images = {image for work in job.recipes for image in input_images(work)}
        for image in images - masks:
            await asyncio.to_thread(self._storage.delete_source, image)


def _captured_roles(capture: Capture) -> frozenset[ArtifactRole]:
    film = {ArtifactRole.FILM} if capture.film else set()
    strip = {ArtifactRole.STRIP} if capture.strip else set()
    return frozenset(film | strip)


class _Attempt:
    """An attempt of a job, some of whose pictures may have been stored by earlier ones."""

    def __init__(self, job: Job, stored: Sequence[Picture], artifacts: Sequence[Artifact]) -> None:
        self.job = job
        self.roles = _captured_roles(job.plan.capture)
        """Of the artifacts that each picture has; such pictures repeat earlier ones exactly."""
        complete = {artifact.nth for artifact in artifacts if artifact.role in self.roles}
        numbers = {
            picture.nth
            for picture in stored
            if not self.roles or picture.path is None or picture.nth in complete
        }
        self.missing = [nth for nth in range(1, len(job.recipes) + 1) if nth not in numbers]
        """The numbers (from 1) of the pictures to paint."""
        self.recipes = tuple(job.recipes[nth - 1] for nth in self.missing)

    def progress(self, event: Stepped) -> Progress:
        """The progress of the job as a whole."""
        count = len(self.job.recipes)
        stored = count - len(self.missing)
        steps_done = stored * event.steps + len(self.missing) * event.step
        return Progress(
            percent=100 * steps_done // (count * event.steps),
            done=stored + event.done,
            pictures=count,
            preview=event.preview,
        )
