"""How long a crowd waits for pictures of a cluster, in simulated time."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bot.aio import run_until
from bot.domain.delivery import Delivery
from bot.domain.job import Job, JobTimings, Progress, RequestContext, ResponseTarget, Status
from bot.domain.limits import LIMITS, Limits
from bot.errors import Refused
from engine.core.batching import BatchKey
from tests import samples
from tests.crowds import Arrival
from tests.replica_model import PassCost
from tests.simulated_bot import SimulatedBot, simulated_bot
from tests.simulated_cluster import Deaths, SimulatedCluster
from tests.virtual_time import VirtualTimeLoop

PICTURES: Final = 4
"""Of each job."""


class JobTimes(NamedTuple):
    """How long a user waited for the pictures of one job, in seconds from the request."""

    job_id: str
    user: int
    requested_at: float
    """Seconds since the start."""
    first_picture: float
    grid: float


@dataclass
class Outcome:
    """The result of a simulation."""

    replicas: int
    times: list[JobTimes] = field(default_factory=list)
    """Of jobs that have all their pictures, in the order of their ends."""
    refused: int = 0
    """Requests that were refused because too many jobs were unfinished."""
    failed: int = 0
    interrupted: int = 0
    """Attempts that ended with the death of a replica."""
    seconds: float = 0.0
    """From the start to the last ending."""
    utilisation: float = 0.0
    """The share of the time until the last request in which replicas painted."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Replicas to simulate."""

    replicas: int
    cost: PassCost
    deaths: Deaths | None = None
    limits: Limits = LIMITS
    seconds: Callable[[BatchKey], float] | None = None
    """Of a pass; those of `cost` if None."""


def simulate(arrivals: Sequence[Arrival], cluster: Cluster) -> Outcome:
    """The waits when these requests arrive, until all of them have ended."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(_simulate(sorted(arrivals), cluster))


async def _simulate(arrivals: Sequence[Arrival], of: Cluster) -> Outcome:
    seconds = of.seconds or (lambda key: of.cost.seconds)
    cluster = SimulatedCluster(of.replicas, seconds, of.deaths)
    outcome = Outcome(of.replicas)
    users = CrowdUsers(arrivals, cluster, of.cost, outcome)
    async with simulated_bot(users, cluster, of.limits) as bot:
        await run_until(
            users.request_all(bot), bot.dispatcher.run(), cluster.run(), bot.tasks.watch()
        )
    outcome.interrupted = cluster.interrupted
    outcome.seconds = asyncio.get_running_loop().time()
    return outcome


class CrowdUsers:
    """The users of a crowd, which makes them the bot's notifier. A refused request is given up."""

    def __init__(
        self,
        arrivals: Sequence[Arrival],
        cluster: SimulatedCluster,
        cost: PassCost,
        outcome: Outcome,
    ) -> None:
        self._arrivals = arrivals
        self._cluster = cluster
        self._outcome = outcome
        self._arrival_of: dict[str, Arrival] = {}
        """By the id of each job."""
        self._unfinished: set[str] = set()
        self._failed: set[str] = set()
        self._has_requested_all = False
        self._is_done = asyncio.Event()
        self._recipes = tuple(
            samples.recipe(
                steps=cost.steps,
                width=cost.side,
                height=cost.side,
                row_class=cost.row_class,
                seed=nth,
            )
            for nth in range(PICTURES)
        )

    async def request_all(self, bot: SimulatedBot) -> None:
        """Make all requests at their times, and return when all jobs have been delivered."""
        loop = asyncio.get_running_loop()
        for number, arrival in enumerate(self._arrivals):
            await asyncio.sleep(arrival.at - loop.time())
            await self._request(f"j{number:06}", arrival, bot)
        if loop.time() > 0.0:
            seconds = loop.time() * self._outcome.replicas
            self._outcome.utilisation = self._cluster.busy_seconds / seconds
        self._has_requested_all = True
        if self._unfinished:
            await self._is_done.wait()

    async def _request(self, job_id: str, arrival: Arrival, bot: SimulatedBot) -> None:
        target = ResponseTarget(channel_id=1)
        context = RequestContext(idempotency_key=job_id, user_id=arrival.user, target=target)
        try:
            limits = await bot.quota.check(context)
        except Refused:
            self._outcome.refused += 1
            return
        job = samples.job(
            job_id,
            user_id=arrival.user,
            recipes=self._recipes,
            created_at=asyncio.get_running_loop().time(),
            target=target,
            max_concurrent=limits.max_running,
        )
        self._arrival_of[job_id] = arrival
        self._unfinished.add(job_id)
        await bot.jobs.add(job)
        await bot.jobs.mark_queued(job_id, job.recipes)
        bot.dispatcher.wake()

    def on_transition(self, timings: JobTimings) -> None:
        """Count the failed jobs."""
        if timings.status is not Status.DONE:
            self._failed.add(timings.job_id)
            self._outcome.failed = len(self._failed)

    def show(self, job: Job, progress: Progress) -> None:
        """Nobody looks."""

    async def send(self, delivery: Delivery, *, is_first: bool = False) -> bool:
        """Record how long the user has waited."""
        job_id = delivery.job_id
        at, user = self._arrival_of[job_id]
        now = asyncio.get_running_loop().time()
        if job_id not in self._failed:
            first = self._cluster.first_pictures[job_id]
            self._outcome.times.append(JobTimes(job_id, user, at, first - at, now - at))
        self._unfinished.discard(job_id)
        if self._has_requested_all and not self._unfinished:
            self._is_done.set()
        return True

    async def explain(self, delivery: Delivery, reason: str) -> bool:
        """Fail: all results can be shown."""
        raise AssertionError(reason)

    def is_out_of_time(self, job: Job) -> bool:
        """Always false."""
        return False

    async def is_answered(self, job: Job) -> bool:
        """Always true."""
        return True
