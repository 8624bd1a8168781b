"""Checks the limits on unfinished jobs and on daily engine time."""

from bot.db.guild_settings import GuildSettingsStore
from bot.db.jobs import JobStore
from bot.db.usage import UsageStore
from bot.domain import quota
from bot.domain.clock import Clock
from bot.domain.job import Job, RequestContext
from bot.domain.limits import (
    Limits,
    QueueDepth,
    check,
    check_pictures,
    check_seconds,
    check_token_life,
    for_replicas,
    for_roles,
    is_full,
)
from bot.domain.plan import Plan
from bot.services.scheduler import JobScheduler


class QuotaService:
    """Not atomic: the caller must hold a lock until the new job is stored."""

    def __init__(
        self,
        jobs: JobStore,
        usage: UsageStore,
        guild_settings: GuildSettingsStore,
        scheduler: JobScheduler,
        *,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._usage = usage
        self._guild_settings = guild_settings
        self._scheduler = scheduler
        self._limits = limits
        self._clock = clock

    async def check(self, context: RequestContext) -> Limits:
        """The limits of the user in the guild of the request.

        Raises Refused, with a sentence for the user, if another job would exceed them.
        """
        limits = await self._limits_of(context)
        load = await self._load(context.user_id, context.target.guild_id)
        if is_full(load, limits):
            check(load, limits, await self._scheduler.forecast(context.user_id))
        if limits.daily_seconds is not None:
            await self._check_daily(context.user_id, limits.daily_seconds)
        return limits

    async def check_plan(self, plan: Plan, limits: Limits) -> None:
        """Raise Refused, with a sentence for the user, if the request alone is too large."""
        check_pictures(len(plan.recipes), limits)
        if not self._scheduler.samples:  # the dispatcher refreshes them whenever it starts a job
            await self._scheduler.refresh_costs()
        check_seconds(self._scheduler.cost_of(plan.recipes, plan.capture), limits)

    async def check_token_life(self, job: Job) -> None:
        """Raise Refused if a new job may outlast the interaction token that alone can show it."""
        seconds = await self._scheduler.seconds_to_end(job)
        check_token_life(seconds, is_private=job.plan.is_private, guild_id=job.target.guild_id)

    async def _load(self, user_id: int, guild_id: int | None) -> QueueDepth:
        """The unfinished jobs, and what else waits for the engine or is painted."""
        jobs = await self._jobs.queue_depth(user_id, guild_id)
        claims = self._scheduler.claims.depth(user_id, guild_id)
        return QueueDepth(
            jobs.user + claims.user, jobs.guild + claims.guild, jobs.total + claims.total
        )

    async def _limits_of(self, context: RequestContext) -> Limits:
        operator_limits = for_replicas(self._limits, self._scheduler.replicas)
        if context.target.guild_id is None:
            return operator_limits
        settings = await self._guild_settings.get(context.target.guild_id)
        limits = [limit for limit in settings.role_limits if limit.role_id in context.role_ids]
        return for_roles(operator_limits, limits)

    async def _check_daily(self, user_id: int, daily: float) -> None:
        now = self._clock()
        usage = await self._usage.for_user(user_id, now=now)
        await self._scheduler.refresh_costs()
        unfinished = [
            *await self._jobs.unfinished(user_id),
            *self._scheduler.claims.of_user(user_id),
        ]
        reserved = sum(self._scheduler.cost(job) for job in unfinished)
        quota.check(usage, reserved, daily, now)
