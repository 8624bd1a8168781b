"""Orders the queue fairly and assigns the engine's seats."""

from collections.abc import Mapping, Sequence
from itertools import chain

from bot.db.jobs import JobStore
from bot.db.usage import UsageStore
from bot.domain import cost_model, fair_queue, seats
from bot.domain.fair_queue import VirtualTimes
from bot.domain.job import Job
from bot.domain.limits import Limits, WaitEstimate
from bot.engine_client.base import EngineClient
from bot.services.seat_claims import SeatClaims
from engine.contract import Capture, Work


class Schedule:
    """The running jobs, the virtual times of the users, and the costs of recent jobs.

    In memory only: after a restart all users start with equal virtual times.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._running: dict[str, Job] = {}
        self._painted: dict[str, float] = {}
        """How much of each running job is painted, from 0 to 1."""
        self._virtual_times = VirtualTimes()
        self._active_users: frozenset[int] = frozenset()
        self.samples: Sequence[cost_model.Sample] = ()
        """The costs of recent jobs."""

    @property
    def running(self) -> int:
        """The number of jobs at the engine."""
        return len(self._running)

    def order(self, queued: Sequence[Job], last_started: Mapping[int, float]) -> list[Job]:
        """The queued jobs in the order in which they will start if no more are queued.

        `last_started` has the time of each user's last start.
        """
        running = self._running.values()
        self._active_users = frozenset(job.user_id for job in [*queued, *running])
        self._virtual_times = fair_queue.sync_active(self._virtual_times, self._active_users)
        return fair_queue.order(queued, running, self._virtual_times, last_started, self.cost)

    def next_job(self, queue: Sequence[Job], replicas: int = 1) -> Job | None:
        """The job of the queue to start now; None if there is no seat for any."""
        return seats.next_to_start(queue, list(self._running.values()), self._limits, replicas)

    def start(self, job: Job) -> None:
        """Count a job as running."""
        self._running[job.id] = job

    def end(self, job: Job, engine_seconds: float) -> None:
        """Count a job as no longer running, and charge its user."""
        del self._running[job.id]
        self._painted.pop(job.id, None)
        self.charge(job.user_id, engine_seconds)

    def charge(self, user_id: int, engine_seconds: float) -> None:
        """Let a user go later in the queue for work that took so long."""
        users = self._active_users | {user_id}
        seconds = max(cost_model.LEAST, engine_seconds)
        self._virtual_times = fair_queue.charge(self._virtual_times, user_id, seconds, users)

    def set_painted(self, job_id: str, share: float) -> None:
        """How much of a running job is painted, from 0 to 1."""
        if job_id in self._running:
            self._painted[job_id] = share

    def virtual_time(self, user_id: int) -> float:
        """Engine seconds of this user, comparable with those of other users only."""
        return self._virtual_times.by_user.get(user_id, self._virtual_times.system)

    def cost(self, job: Job) -> float:
        """The engine seconds that the job is expected to take."""
        return self.cost_of(job.recipes, job.plan.capture)

    def cost_of(self, recipes: Sequence[Work], capture: Capture) -> float:
        """The engine seconds that these pictures, and what is captured, are expected to take."""
        return cost_model.estimate(recipes, self.samples, capture)

    def estimate_wait(
        self, user_id: int, queue: Sequence[Job], batches: int, replicas: int = 1
    ) -> WaitEstimate:
        """When the first job of this user, and all jobs, will have ended.

        `batches` is how many batches a replica of the engine runs at once.
        """
        running = self._running.values()
        first = fair_queue.until_first(user_id, queue, running, self.cost, replicas)
        costs = [self.cost(job) for job in [*running, *queue]]
        everything = max(sum(costs) / replicas, max(costs, default=0.0))
        return WaitEstimate(first / batches, everything / batches)

    def estimate_end(
        self,
        job: Job,
        queued: Sequence[Job],
        last_started: Mapping[int, float],
        batches: int,
        replicas: int = 1,
    ) -> float:
        """After how many seconds a new job will have ended if no more jobs are queued.

        `last_started`, `batches` and `replicas` are those of `order` and `estimate_wait`.
        """
        running = list(self._running.values())
        queue = fair_queue.order(
            [*queued, job], running, self._virtual_times, last_started, self.cost
        )
        until_job = queue[: queue.index(job) + 1]
        total = sum(map(self.cost, [*running, *until_job]))
        return fair_queue.until_end(self.cost(job), total, replicas) / batches

    def seconds_to_ends(
        self, queue: Sequence[Job], batches: int, replicas: int = 1
    ) -> list[float | None]:
        """After how many seconds each job of the ordered queue will have ended; None before a job
        has been measured. `batches` and `replicas` are those of `estimate_wait`."""
        if not self.samples:
            return [None] * len(queue)
        running = self._running.values()
        total = sum(self.cost(job) * (1 - self._painted.get(job.id, 0.0)) for job in running)
        ends: list[float | None] = []
        for cost in map(self.cost, queue):
            total += cost
            ends.append(fair_queue.until_end(cost, total, replicas) / batches)
        return ends


class JobScheduler(Schedule):
    """A schedule whose queue and costs come from the database.

    `claims` has the work in its queue that is no job: that of a `SeatClaim`.
    """

    def __init__(
        self, jobs: JobStore, usage: UsageStore, engine: EngineClient, limits: Limits
    ) -> None:
        super().__init__(limits)
        self._jobs = jobs
        self._usage = usage
        self._engine = engine
        self.claims = SeatClaims(self)

    async def ordered_queue(self) -> list[Job]:
        """All that waits in the order in which it will start if no more is queued."""
        await self.refresh_costs()
        queued = [*await self._jobs.queued(), *self.claims.waiting]
        return self.order(queued, await self._jobs.last_started())

    async def refresh_costs(self) -> None:
        """Read what recent jobs of the loaded models have cost."""
        samples = [await self._usage.cost_samples(model.revision) for model in self._engine.models]
        self.samples = list(chain.from_iterable(samples))

    async def forecast(self, user_id: int) -> WaitEstimate | None:
        """How long this user and all users will wait; None before a job has been measured."""
        queue = await self.ordered_queue()
        if not self.samples:
            return None
        return self.estimate_wait(user_id, queue, self._batches, self.replicas)

    async def seconds_to_end(self, job: Job) -> float | None:
        """After how many seconds a new job will have ended; None before a job has been measured."""
        await self.refresh_costs()
        if not self.samples:
            return None
        queued, last_started = await self._jobs.queued(), await self._jobs.last_started()
        return self.estimate_end(job, queued, last_started, self._batches, self.replicas)

    def ends(self, queue: Sequence[Job]) -> list[float | None]:
        """As `seconds_to_ends`, with the engine as it is now."""
        if not self._engine.models:
            return [None] * len(queue)
        return self.seconds_to_ends(queue, self._batches, self.replicas)

    @property
    def replicas(self) -> int:
        """The number of replicas of the engine, or 1 while there is none."""
        return max(1, self._engine.status.replicas)

    @property
    def _batches(self) -> int:
        """How many batches each replica runs at once, with any of its models."""
        return min(model.max_concurrent_batches for model in self._engine.models)
