"""May this person ask for one more job? Rules, held against the record."""

from collections.abc import Callable

from bot.db.guild_settings import RoleLimits
from bot.db.jobs import Ledger
from bot.db.usage import Charges
from bot.domain import quota
from bot.domain.job import Origin
from bot.domain.limits import Limits, check, for_roles, is_full
from bot.services.scheduler import JobScheduler


class QuotaService:
    """What it says holds until the next job is recorded: one request at a time, please."""

    def __init__(
        self,
        ledger: Ledger,
        charges: Charges,
        roles: RoleLimits,
        turns: JobScheduler,
        *,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._charges = charges
        self._roles = roles
        self._turns = turns
        self._limits = limits
        self._clock = clock

    async def check(self, origin: Origin) -> Limits:
        """The limits of this person here. Raises Refused, in words for the person."""
        limits = await self._limits_of(origin)
        guild = origin.address.guild
        load = await self._ledger.load(origin.person, guild)
        if is_full(load, limits):
            check(load, limits, await self._turns.forecast(origin.person))
        if limits.daily is not None:
            await self._check_day(origin.person, limits.daily)
        return limits

    async def _limits_of(self, origin: Origin) -> Limits:
        if origin.address.guild is None:
            return self._limits
        allowed = await self._roles.of(origin.address.guild, origin.roles)
        return for_roles(self._limits, allowed)

    async def _check_day(self, person: int, daily: float) -> None:
        now = self._clock()
        uses = await self._charges.of(person, now=now)
        await self._turns.learn()
        unfinished = await self._ledger.unfinished(person)
        reserved = sum(self._turns.cost(job) for job in unfinished)
        quota.check(uses, reserved, daily, now)
