"""Simulate hours of submissions with the real schedulers of bot and engine, without waiting."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import torch

from bot.domain import cost_model
from bot.domain.job import Job, ResponseTarget
from bot.domain.limits import Limits, QueueDepth, is_full
from bot.services.scheduler import Schedule
from engine.contract import Paint, Recipe
from engine.core.batching import BatchKey
from engine.core.engine_core import MAX_RUNNING
from engine.core.request import Request
from engine.core.scheduler import BatchScheduler, seconds_by_owner
from engine.core.usage import UsageMeter
from engine.device import Device
from engine.pipeline.denoise import DenoisingState
from tests import samples

SECONDS: Final = 0.1
"""The duration of a forward pass of 64 x 64 pixels."""
STEPS: Final = 20
_SAMPLES: Final = 50


@dataclass(frozen=True, order=True)
class Submission:
    """A request for pictures at a time; it is repeated while it is refused."""

    at: float
    user: int
    pictures: int = 4
    steps: int = STEPS
    side: int = 64
    guild: int | None = None
    seats: int | None = None


class State(DenoisingState):
    """An image without a model, whose evaluations are only counted."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.step_index = 0
        self.is_unbatchable = False

    @property
    def evaluations(self) -> int:
        """One for each step."""
        return self.recipe.steps


class Simulation:
    """A bot and an engine. Call `run` only once."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.now = 0.0
        self.waits: dict[Submission, list[float]] = {}
        """Seconds from each submission to its pictures."""
        self.engine_seconds: dict[int, float] = defaultdict(float)
        """Engine seconds by user."""
        self.starts: list[str] = []
        """The ids of the jobs in the order of their starts."""
        self.reported_positions: list[tuple[str, int]] = []
        """Each position that was shown: the id of a job, and the expected index of its start."""
        self._limits = limits or Limits()
        self._schedule = Schedule(self._limits)
        self._submissions: list[Submission] = []
        self._queue: list[Job] = []
        self._running: dict[str, Job] = {}
        self._requests: dict[str, Request] = {}
        """The request of each running job."""
        self._submission_of: dict[str, Submission] = {}
        self._last_started: dict[int, float] = {}
        self._meter = UsageMeter(Device(torch.device("cpu"), torch.float32, threads=1))
        self._batch_scheduler = BatchScheduler(self._meter.cost)
        self._job_count = 0

    def run(self, submissions: Iterable[Submission]) -> "Simulation":
        """Run until all submissions have their pictures."""
        self._submissions = sorted(submissions)
        while self._submissions or self._queue or self._running:
            self._submit_due()
            self._dispatch()
            if self._running:
                self._tick()
            else:
                self.now = max(self.now, self._submissions[0].at)
        return self

    def mean_waits(self) -> dict[int, float]:
        """Mean seconds from submission to pictures, by user."""
        by_user: dict[int, list[float]] = {}
        for submission, waits in self.waits.items():
            by_user.setdefault(submission.user, []).extend(waits)
        return {user_id: sum(waits) / len(waits) for user_id, waits in by_user.items()}

    def _submit_due(self) -> None:
        refused: set[int] = set()
        for submission in [
            submission for submission in self._submissions if submission.at <= self.now
        ]:
            if submission.user in refused or is_full(self._depth(submission), self._limits):
                refused.add(submission.user)
            else:
                self._submissions.remove(submission)
                self._accept(submission)

    def _depth(self, submission: Submission) -> QueueDepth:
        unfinished = [*self._queue, *self._running.values()]
        of_user = sum(job.user_id == submission.user for job in unfinished)
        of_guild = sum(
            job.target.guild_id == submission.guild
            for job in unfinished
            if submission.guild is not None
        )
        return QueueDepth(of_user, of_guild, len(unfinished))

    def _accept(self, submission: Submission) -> None:
        self._job_count += 1
        recipes = tuple(
            samples.recipe(
                steps=submission.steps, width=submission.side, height=submission.side, seed=nth
            )
            for nth in range(submission.pictures)
        )
        accepted = samples.job(
            f"j{self._job_count:05}",
            user_id=submission.user,
            recipes=recipes,
            created_at=self.now,
            target=ResponseTarget(channel_id=1, guild_id=submission.guild),
            max_concurrent=submission.seats,
        )
        self._submission_of[accepted.id] = submission
        self._queue.append(accepted)

    def _dispatch(self) -> None:
        self._queue = self._schedule.order(self._queue, self._last_started)
        while job_to_start := self._schedule.next_job(self._queue):
            self._queue.remove(job_to_start)
            self._start(job_to_start)
        started = len(self.starts)
        self.reported_positions += [
            (job.id, started + ahead) for ahead, job in enumerate(self._queue)
        ]

    def _start(self, job: Job) -> None:
        self._schedule.start(job)
        self.starts.append(job.id)
        self._last_started[job.user_id] = self.now
        self._running[job.id] = job
        paint = Paint(
            job=job.id,
            attempt=1,
            recipes=job.recipes,
            owner=str(job.user_id),
            prior_seconds=self._schedule.virtual_time(job.user_id),
        )
        request = Request(paint, lambda _: None)
        request.start(self._batch_scheduler.add(request, [State(item) for item in job.recipes]))
        self._requests[job.id] = request
        assert len(self._batch_scheduler.images) <= MAX_RUNNING

    def _tick(self) -> None:
        owner_seconds = seconds_by_owner(self._requests.values())
        [batch] = self._batch_scheduler.select(1, [], owner_seconds)
        seconds = _pass_seconds(batch.key)
        self.now += seconds
        for image in batch.images:
            image.state.step_index += 1
        batch.completed = [(batch, seconds)]
        self._meter.end(batch, failed=False)
        for job in list(self._running.values()):
            if self._requests[job.id].is_denoised:
                self._end(job)

    def _end(self, job: Job) -> None:
        del self._running[job.id]
        request = self._requests.pop(job.id)
        self._batch_scheduler.remove(request)
        seconds = request.forward_seconds
        self.engine_seconds[job.user_id] += seconds
        self._schedule.end(job, seconds)
        sample = cost_model.Sample(
            cost_model.pixels(job.recipes), cost_model.work(job.recipes), seconds
        )
        self._schedule.samples = [*self._schedule.samples, sample][-_SAMPLES:]
        submission = self._submission_of.pop(job.id)
        self.waits.setdefault(submission, []).append(self.now - submission.at)


def _pass_seconds(key: BatchKey) -> float:
    return SECONDS * key.width * key.height / 64**2
