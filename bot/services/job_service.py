"""Accepts requests for jobs, and cancels jobs.

1. `submit` checks the plan of a request and stores it as an accepted job.
2. After the first response to the user, `start` fetches the job's inputs and queues it.
3. The dispatcher claims the job as a new attempt; the job runner has the engine run it.
4. The outbox delivers the ending until the user has received it.
"""

import asyncio
import uuid
from typing import Final

import msgspec

from bot.db.connection import retry_until_written
from bot.db.guild_settings import GuildSettingsStore
from bot.db.jobs import JobStore
from bot.domain import nsfw, rules
from bot.domain.clock import Clock
from bot.domain.display import display_scale
from bot.domain.job import (
    Job,
    Progress,
    RequestContext,
    Status,
)
from bot.domain.limits import out_of_time
from bot.domain.plan import JobKind, Plan
from bot.domain.preferences import Preferences
from bot.engine_client.base import EngineClient
from bot.errors import BotError, FatalError, Refused
from bot.i18n import _
from bot.services.admission import AdmissionPolicy
from bot.services.dispatcher import Dispatcher
from bot.services.inputs import InputService, ResolvedInputs
from bot.services.job_tasks import JobTasks
from bot.services.notifier import Notifier
from bot.services.outbox import Outbox
from bot.services.preferences import PreferenceService
from bot.services.quota_service import QuotaService
from bot.services.seat_claims import RESTARTING

_CHECK_SECONDS: Final = 5.0
"""Between two searches for jobs that are out of time."""


class JobService:
    """Everything that paints goes in by `submit`, whatever its kind."""

    def __init__(
        self,
        jobs: JobStore,
        guild_settings: GuildSettingsStore,
        preferences: PreferenceService,
        engine: EngineClient,
        admission: AdmissionPolicy,
        quota: QuotaService,
        inputs: InputService,
        dispatcher: Dispatcher,
        tasks: JobTasks,
        outbox: Outbox,
        notifier: Notifier,
        *,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._guild_settings = guild_settings
        self._preferences = preferences
        self._engine = engine
        self._admission = admission
        self._quota = quota
        self._inputs = inputs
        self._dispatcher = dispatcher
        self._tasks = tasks
        self._outbox = outbox
        self._notifier = notifier
        self._clock = clock
        self._accepting = asyncio.Lock()
        self._unacknowledged: set[str] = set()
        """Jobs whose first response is being sent; their ending is delivered after it."""

    async def submit(self, kind: JobKind, plan: Plan, context: RequestContext) -> Job | None:
        """The new job, or None if the request is a duplicate.

        Raises Refused, with a sentence for the user.
        """
        if self._dispatcher.is_draining:
            raise Refused(_(RESTARTING))
        if await self._jobs.exists(context.idempotency_key):
            return None
        parents = {edge.parent for edge in plan.edges}
        await self._admission.check_prompts(
            plan.recipes, context, shown=plan.prompt, parents=parents
        )
        rules.check_models(plan.recipes, self._engine.models)
        await self._inputs.check(plan)
        plan = msgspec.structs.replace(
            plan, is_private=context.is_private, is_token_only=context.is_token_only
        )
        settings = await self._guild_settings.get(context.channel.guild_id)
        policy = nsfw.nsfw_policy(context.channel, settings.nsfw)
        async with self._accepting:  # the quota counts the jobs that are stored
            limits = await self._quota.check(context)
            await self._quota.check_plan(plan, limits)
            job = Job(
                id=uuid.uuid4().hex[:16],
                idempotency_key=context.idempotency_key,
                kind=kind,
                user_id=context.user_id,
                target=context.target,
                recipes=plan.recipes,
                plan=self._displayed(plan, self._preferences.of_request(context)).details,
                include_flagged=policy is not nsfw.NsfwPolicy.BLOCK,
                created_at=self._clock(),
                max_concurrent=limits.max_running,
            )
            if context.is_token_only or context.is_private:
                await self._quota.check_token_life(job)
            if not await self._jobs.add(job, inputs=plan.inputs, edges=plan.edges):
                return None
            self._unacknowledged.add(job.id)  # before another task can find it in the database
            return job

    async def check_shown(self, job: Job, context: RequestContext) -> None:
        """Raise PolicyViolation if the user is blocked where a result is to be shown once more, or
        its prompts are forbidden there."""
        await self._admission.check_prompts(job.recipes, context, shown=job.plan.prompt)

    def _displayed(self, plan: Plan, preferences: Preferences) -> Plan:
        """The plan, with the scale at which its pictures are shown."""
        models, upscalers = self._engine.models, self._engine.upscalers
        scale = display_scale(plan, models, upscalers, preferences.display_scale)
        return msgspec.structs.replace(plan, display_scale=scale)

    async def resume(self) -> None:
        """Continue with the jobs that the last process had accepted but not queued."""
        for job in await self._jobs.accepted():
            self._unacknowledged.add(job.id)
            self._tasks.start(job.id, self.resume_unacknowledged(job))

    def start(self, job: Job) -> None:
        """Fetch the inputs of the job and queue it.

        Call this, or `acknowledge`, after the first response.
        """
        self._notifier.show(job, Progress())
        self._tasks.start(job.id, self._prepare(job))

    async def acknowledge(self, job: Job, message_id: int) -> None:
        """Record the message of the first response, and start the job."""
        await retry_until_written(lambda: self._jobs.set_message(job.id, message_id))
        self.start(job)

    async def resume_unacknowledged(self, job: Job) -> None:
        """Start the job if the user has received a response to it; otherwise abandon it."""
        if await self._notifier.is_answered(job):
            self.start(job)
        else:
            self._unacknowledged.discard(job.id)
            await self._outbox.abandon(job.id)

    async def _prepare(self, job: Job) -> None:
        current = await retry_until_written(lambda: self._jobs.job(job.id))
        self._unacknowledged.discard(job.id)
        if current is None:
            return
        if current.has_ended:  # it was stopped before the response
            await self._outbox.deliver(current)
            return
        try:
            resolved = await self._inputs.resolve(job)
            await self._check_uploads(job, resolved)
        except FatalError:
            raise
        except BotError as error:
            await self._outbox.finish(job.id, Status.REFUSED, str(error))
            return
        await retry_until_written(lambda: self._jobs.mark_queued(job.id, *resolved))
        self._dispatcher.wake()

    async def _check_uploads(self, job: Job, resolved: ResolvedInputs) -> None:
        """Raise PolicyViolation if the prompts are forbidden together with those of the pictures
        that the attachments show."""
        if not resolved.edges:
            return
        context = RequestContext(
            idempotency_key=job.idempotency_key, user_id=job.user_id, target=job.target
        )
        parents = {edge.parent for edge in resolved.edges}
        await self._admission.check_prompts(resolved.recipes, context, parents=parents)

    async def free_key(self, idempotency_key: str, *, with_pictures: bool = True) -> None:
        """Let the same request be made again; without `with_pictures`, only if it has ended
        without any."""
        await self._jobs.free_key(idempotency_key, with_pictures=with_pictures)

    async def free_keys(self, prefix: str, suffix: str = "") -> None:
        """Let all requests be made again whose idempotency keys start and end like this."""
        await self._jobs.free_keys(prefix, suffix)

    async def cancel(self, job: Job, *, notify: bool = True) -> bool:
        """Cancel a job at any stage; False if it has ended.

        Without `notify`, the caller must call `announce` later.
        """
        cancelled = await self._jobs.finish_without_pictures(
            job.id, Status.CANCELLED, self._clock()
        )
        if cancelled is None:
            return False
        if notify:
            self.announce(cancelled)
        await self._dispatcher.stop(cancelled)
        return True

    async def cancel_gone(self, job_ids: asyncio.Queue[str]) -> None:
        """Cancel each unfinished job of this queue, whose message is gone, without charging it."""
        while True:
            job_id = await job_ids.get()
            self._tasks.start(job_id, self._cancel_gone(job_id))

    async def _cancel_gone(self, job_id: str) -> None:
        self._dispatcher.waive_charge(job_id)  # first: the engine may end the job at any moment
        cancelled = await self._outbox.abandon(job_id)
        if cancelled is not None:
            await self._dispatcher.stop(cancelled)

    async def fail_out_of_time(self) -> None:
        """Fail jobs, without charge, whose messages can soon no longer be edited.

        If a message can still be edited, its user learns why. Otherwise only the log says it.
        """
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            for job in await retry_until_written(self._jobs.all_unfinished):
                if self._notifier.is_out_of_time(job):
                    self._tasks.start(job.id, self._fail_out_of_time(job))

    async def _fail_out_of_time(self, job: Job) -> None:
        self._dispatcher.waive_charge(job.id)  # first: the engine may end the job at any moment
        reason = out_of_time(is_private=job.plan.is_private, guild_id=job.target.guild_id)
        failed = await retry_until_written(lambda: self._jobs.fail(job.id, reason, self._clock()))
        if failed is not None:
            self.announce(failed)
            await self._dispatcher.stop(failed)

    async def cancel_in_guild(self, user_id: int, guild_id: int) -> int:
        """Cancel the user's unfinished jobs in this guild; the number of jobs."""
        jobs = await self._jobs.unfinished(user_id)
        in_guild = [job for job in jobs if job.target.guild_id == guild_id]
        return sum([await self.cancel(job) for job in in_guild])

    def announce(self, job: Job) -> None:
        """Deliver the ending of a job; `start` does it if it is called later."""
        if job.id not in self._unacknowledged:
            self._tasks.start(job.id, self._outbox.deliver(job))
