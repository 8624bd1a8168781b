"""Orders the queue fairly and assigns the engine's seats."""

from collections.abc import Sequence

from bot.db.jobs import JobStore
from bot.db.usage import UsageStore
from bot.domain import cost_model, fair_queue, seats
from bot.domain.fair_queue import VirtualTimes
from bot.domain.job import Job
from bot.domain.limits import Limits, WaitEstimate
from bot.engine_client.base import EngineClient


class JobScheduler:
    """Knows the running jobs and the virtual times of the users.

    Virtual times are kept in memory only: a restart forgets differences of a few jobs.
    """

    def __init__(
        self, jobs: JobStore, usage: UsageStore, engine: EngineClient, limits: Limits
    ) -> None:
        self._jobs = jobs
        self._usage = usage
        self._engine = engine
        self._limits = limits
        self._running: dict[str, Job] = {}
        self._shares = VirtualTimes()
        self._active_users: frozenset[int] = frozenset()
        self._samples: Sequence[cost_model.Sample] = ()

    @property
    def running(self) -> int:
        """The number of jobs at the engine."""
        return len(self._running)

    async def ordered_queue(self) -> list[Job]:
        """All queued jobs in the order in which they will start if no more are queued."""
        await self.refresh_costs()
        queued = await self._jobs.queued()
        last_started = await self._jobs.last_started()
        running = self._running.values()
        self._active_users = frozenset(job.user_id for job in [*queued, *running])
        self._shares = fair_queue.sync_active(self._shares, self._active_users)
        return fair_queue.order(queued, running, self._shares, last_started, self.cost)

    async def refresh_costs(self) -> None:
        """Read what recent jobs of this model have cost."""
        self._samples = await self._usage.cost_samples(self._engine.model.revision)

    def next_job(self, queue: Sequence[Job]) -> Job | None:
        """The job of the queue to start now; None if there is no seat for any."""
        return seats.next_to_start(queue, list(self._running.values()), self._limits)

    def start(self, job: Job) -> None:
        """Count a job as running."""
        self._running[job.id] = job

    def end(self, job: Job, engine_seconds: float) -> None:
        """Count a job as no longer running, and charge its user."""
        del self._running[job.id]
        users = self._active_users | {job.user_id}
        seconds = max(cost_model.LEAST, engine_seconds)
        self._shares = fair_queue.charge(self._shares, job.user_id, seconds, users)

    def virtual_time(self, user_id: int) -> float:
        """Engine seconds of this user, comparable with those of other users only."""
        return self._shares.by_user.get(user_id, self._shares.system)

    def cost(self, job: Job) -> float:
        """The engine seconds that the job is expected to take."""
        return cost_model.estimate(job.recipes, self._samples)

    async def forecast(self, user_id: int) -> WaitEstimate | None:
        """When the first of this user's jobs, and all jobs, will have ended.

        None before the first job of this model has been measured.
        """
        queue = await self.ordered_queue()
        if not self._samples:
            return None
        batches = self._engine.model.max_concurrent_batches
        running = self._running.values()
        first = fair_queue.until_first(user_id, queue, running, self.cost)
        return WaitEstimate(first / batches, sum(map(self.cost, [*running, *queue])) / batches)
