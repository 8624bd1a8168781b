"""Checks the limits on unfinished jobs and on daily engine time."""

from collections.abc import Callable

from bot.db.guild_settings import RoleLimits
from bot.db.jobs import Ledger
from bot.db.usage import Charges
from bot.domain import quota
from bot.domain.job import Origin
from bot.domain.limits import Limits, check, for_roles, is_full
from bot.services.scheduler import JobScheduler


class QuotaService:
    """Not atomic: the caller must hold a lock until the new job is stored."""

    def __init__(
        self,
        jobs: Ledger,
        usage: Charges,
        role_limits: RoleLimits,
        scheduler: JobScheduler,
        *,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self._jobs = jobs
        self._usage = usage
        self._role_limits = role_limits
        self._scheduler = scheduler
        self._limits = limits
        self._clock = clock

    async def check(self, origin: Origin) -> Limits:
        """The limits of this user here.

        Raises Refused, with a sentence for the user, if another job would exceed them.
        """
        limits = await self._limits_of(origin)
        load = await self._jobs.load(origin.person, origin.address.guild)
        if is_full(load, limits):
            check(load, limits, await self._scheduler.forecast(origin.person))
        if limits.daily is not None:
            await self._check_daily(origin.person, limits.daily)
        return limits

    async def _limits_of(self, origin: Origin) -> Limits:
        if origin.address.guild is None:
            return self._limits
        role_limits = await self._role_limits.of(origin.address.guild, origin.roles)
        return for_roles(self._limits, role_limits)

    async def _check_daily(self, user_id: int, daily: float) -> None:
        now = self._clock()
        usage = await self._usage.of(user_id, now=now)
        await self._scheduler.refresh_costs()
        unfinished = await self._jobs.unfinished(user_id)
        reserved = sum(self._scheduler.cost(job) for job in unfinished)
        quota.check(usage, reserved, daily, now)
