"""Hours of submissions to the real scheduling of bot and engine, in simulated time."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from bot.aio import run_until
from bot.db.jobs import JobStore
from bot.domain.delivery import Delivery
from bot.domain.job import Job, JobTimings, Progress, RequestContext, ResponseTarget, Status
from bot.domain.limits import Limits
from bot.errors import Refused
from bot.services.dispatcher import Dispatcher
from bot.services.quota_service import QuotaService
from tests import samples
from tests.simulated_bot import simulated_bot
from tests.simulated_engine import SimulatedEngine
from tests.virtual_time import VirtualTimeLoop

STEPS: Final = 20


@dataclass(frozen=True, order=True)
class Submission:
    """A request for pictures at a time; it is repeated while it is refused."""

    at: float
    user: int
    pictures: int = 4
    steps: int = STEPS
    side: int = 64
    row_class: int = 8
    guild: int | None = None
    seats: int | None = None
    """How many of the user's jobs may run while others wait; None for the default."""


class ReportedPosition(NamedTuple):
    """A position in the queue that was shown at a time."""

    at: float
    job_id: str
    start: int
    """The expected index of the job in the order of all starts."""


class Simulation:
    """A run of a bot and an engine, and its results. Call `run` only once."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.waits: dict[Submission, list[float]] = {}
        """Seconds from each submission to its pictures."""
        self.engine_seconds: dict[int, float] = {}
        """Engine seconds by user."""
        self.starts: Mapping[str, float] = {}
        """When each job was started, by its id, in order."""
        self.reported_positions: list[ReportedPosition] = []
        self._limits = limits or Limits()

    def run(self, submissions: Iterable[Submission]) -> "Simulation":
        """Run until all submissions have their pictures."""
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(self._run(sorted(submissions)))
        return self

    def mean_waits(self) -> dict[int, float]:
        """Mean seconds from submission to pictures, by user."""
        by_user: dict[int, list[float]] = {}
        for submission, waits in self.waits.items():
            by_user.setdefault(submission.user, []).extend(waits)
        return {user_id: sum(waits) / len(waits) for user_id, waits in by_user.items()}

    async def _run(self, submissions: Sequence[Submission]) -> None:
        users = Users(self)
        engine = SimulatedEngine()
        async with simulated_bot(users, engine, self._limits) as bot:
            await run_until(
                users.submit_all(submissions, bot.jobs, bot.quota, bot.dispatcher),
                bot.dispatcher.run(),
                engine.run(),
                bot.tasks.watch(),
            )
            now = asyncio.get_running_loop().time()
            for user_id in {submission.user for submission in submissions}:
                uses = await bot.usage.for_user(user_id, now=now)
                self.engine_seconds[user_id] = sum(use.seconds for use in uses)
        self.starts = engine.starts


class Users:
    """Users who submit jobs and receive the pictures, which makes them the bot's notifier."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._submission_of: dict[str, Submission] = {}
        self._job_count = 0
        self._ended_count = 0
        self._delivered = asyncio.Condition()

    async def submit_all(
        self,
        submissions: Sequence[Submission],
        jobs: JobStore,
        quota: QuotaService,
        dispatcher: Dispatcher,
    ) -> None:
        """Submit, at the same time for all users, until all pictures are delivered."""
        by_user: dict[int, list[Submission]] = defaultdict(list)
        for submission in submissions:
            by_user[submission.user].append(submission)

        async def submit_each(of_user: Sequence[Submission]) -> None:
            for submission in of_user:
                await asyncio.sleep(submission.at - asyncio.get_running_loop().time())
                await self._submit(submission, jobs, quota)
                dispatcher.wake()

        async with asyncio.TaskGroup() as group:
            for of_user in by_user.values():
                group.create_task(submit_each(of_user))
        async with self._delivered:
            await self._delivered.wait_for(lambda: not self._submission_of)

    async def _submit(self, submission: Submission, jobs: JobStore, quota: QuotaService) -> None:
        target = ResponseTarget(channel_id=1, guild_id=submission.guild)
        context = RequestContext(idempotency_key="", user_id=submission.user, target=target)
        while True:
            try:
                limits = await quota.check(context)
                break
            except Refused:
                await self._next_delivery(submission.user)
        recipes = [
            samples.recipe(
                steps=submission.steps,
                width=submission.side,
                height=submission.side,
                row_class=submission.row_class,
                seed=nth,
            )
            for nth in range(submission.pictures)
        ]
        self._job_count += 1
        job = samples.job(
            f"j{self._job_count:05}",
            user_id=submission.user,
            recipes=tuple(recipes),
            created_at=asyncio.get_running_loop().time(),
            target=target,
            max_concurrent=submission.seats or limits.max_running,
        )
        self._submission_of[job.id] = submission
        await jobs.add(job)
        await jobs.mark_queued(job.id, job.recipes)

    async def _next_delivery(self, user_id: int) -> None:
        """Wait for the next pictures of this user, or of any user if this one has no job."""
        own_jobs = {job_id for job_id, of in self._submission_of.items() if of.user == user_id}
        async with self._delivered:
            await self._delivered.wait()
            await self._delivered.wait_for(
                lambda: not own_jobs or not own_jobs <= self._submission_of.keys()
            )

    def on_transition(self, timings: JobTimings) -> None:
        """Count the jobs that have ended."""
        assert timings.status is Status.DONE, timings
        self._ended_count += timings.delivered_at is None

    def show(self, job: Job, progress: Progress) -> None:
        """Record the reported position."""
        if progress.jobs_ahead is not None:
            now = asyncio.get_running_loop().time()
            start = self._ended_count + progress.jobs_ahead
            self._simulation.reported_positions.append(ReportedPosition(now, job.id, start))

    async def send(self, delivery: Delivery, *, is_first: bool = False) -> bool:
        """Record how long the user has waited."""
        submission = self._submission_of.pop(delivery.job_id)
        wait = asyncio.get_running_loop().time() - submission.at
        self._simulation.waits.setdefault(submission, []).append(wait)
        async with self._delivered:
            self._delivered.notify_all()
        return True

    async def explain(self, delivery: Delivery, reason: str) -> bool:
        """Fail: no job ends with an error."""
        raise AssertionError(reason)

    def is_out_of_time(self, job: Job) -> bool:
        """Always false."""
        return False

    async def is_answered(self, job: Job) -> bool:
        """Always true."""
        return True
