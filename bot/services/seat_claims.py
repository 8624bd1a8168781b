"""Seats at the engine for work that is no job, in the same queue as the jobs."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, Self

from bot.domain.job import Job
from bot.domain.limits import QueueDepth
from bot.errors import Refused
from bot.i18n import N_

RESTARTING: Final = N_("The bot is restarting. Please try again in a minute.")


class Ledger(Protocol):
    """Counts what runs, and what users have used."""

    def start(self, job: Job) -> None:
        """Count a job as running."""

    def end(self, job: Job, engine_seconds: float) -> None:
        """Count a job as no longer running, and charge its user."""

    def charge(self, user_id: int, engine_seconds: float) -> None:
        """Let a user go later in the queue for work that took so long."""


class SeatClaim:
    """Use as `async with`: the body runs when the seat is free, and its user is charged after it.

    Entering raises Refused if the bot stops before.
    """

    def __init__(self, claims: "SeatClaims", job: Job, *, is_shared: bool = False) -> None:
        self._claims = claims
        self._seat: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.job = job
        """The work, as a job that is not stored."""
        self.is_shared = is_shared
        """Whether it is a part of a running job, whose seat it shares."""
        self.engine_seconds = 0.0
        """What the body has used."""

    @property
    def is_waiting(self) -> bool:
        """Whether it has no seat yet."""
        return not self._seat.done()

    @property
    def has_seat(self) -> bool:
        """Whether it was granted."""
        return not (self.is_waiting or self._seat.cancelled() or self._seat.exception())

    def grant(self) -> None:
        """Let the body run."""
        self._seat.set_result(None)

    def refuse(self) -> None:
        """Let entering fail, because the bot stops."""
        self._seat.set_exception(Refused(RESTARTING))

    async def __aenter__(self) -> Self:
        try:
            if not self.is_shared:
                await self._seat
        except BaseException:  # also a cancellation: the seat may have been granted meanwhile
            self._claims.release(self)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._claims.release(self)


class SeatClaims:
    """What waits for a seat, or has one, and is in no table: it ends with the process."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._claims: dict[str, SeatClaim] = {}
        """By the ids of their jobs; those of their own seats only."""
        self._listeners: list[Callable[[], None]] = []
        self._is_closed = False

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a seat is claimed or released."""
        self._listeners.append(listener)

    @property
    def waiting(self) -> list[Job]:
        """What waits for a seat."""
        return [claim.job for claim in self._claims.values() if claim.is_waiting]

    def of_user(self, user_id: int) -> list[Job]:
        """What this user has claimed and not released."""
        return [claim.job for claim in self._claims.values() if claim.job.user_id == user_id]

    def depth(self, user_id: int, guild_id: int | None) -> QueueDepth:
        """How much is claimed and not released."""
        guild_ids = [claim.job.target.guild_id for claim in self._claims.values()]
        in_guild = 0 if guild_id is None else guild_ids.count(guild_id)
        return QueueDepth(len(self.of_user(user_id)), in_guild, len(guild_ids))

    def claim(self, job: Job) -> SeatClaim:
        """Queue work for a seat. Raises Refused if the bot stops."""
        if self._is_closed:
            raise Refused(RESTARTING)
        self._claims[job.id] = SeatClaim(self, job)
        self._notify()
        return self._claims[job.id]

    def share(self, job: Job) -> SeatClaim:
        """A claim of work that is a part of a running job, whose seat it shares."""
        return SeatClaim(self, job, is_shared=True)

    def has(self, job: Job) -> bool:
        """Whether this is the work of a claim, and so no stored job."""
        return job.id in self._claims

    def grant(self, job: Job) -> bool:
        """Give this work a seat; False if it does not wait for one."""
        claim = self._claims.get(job.id)
        if claim is None or not claim.is_waiting:
            return False
        self._ledger.start(job)
        claim.grant()
        return True

    def release(self, claim: SeatClaim) -> None:
        """Free the seat, and charge the user for what was used."""
        self._claims.pop(claim.job.id, None)
        if claim.is_shared:
            self._ledger.charge(claim.job.user_id, claim.engine_seconds)
        elif claim.has_seat:
            self._ledger.end(claim.job, claim.engine_seconds)
        self._notify()

    def close(self) -> None:
        """Refuse what waits, and what is claimed from now on."""
        self._is_closed = True
        for claim in self._claims.values():
            if claim.is_waiting:
                claim.refuse()

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()
