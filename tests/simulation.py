"""Simulate bot and engine with their own scheduling functions and a simulated clock."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from bot.domain import cost_model, fair_queue, seats
from bot.domain.fair_queue import VirtualTimes
from bot.domain.job import Job, ResponseTarget
from bot.domain.limits import Limits, QueueDepth, is_full
from engine.contract import Recipe
from engine.core.batching import BatchKey, DrrState, batch_key, select_batch
from engine.core.engine_core import AT_ONCE, SENIOR_EVERY
from tests.samples import job, recipe

SECONDS: Final = 0.1
"""Duration of a forward pass of 64 x 64 pixels."""
STEPS: Final = 20


@dataclass(frozen=True, order=True)
class Submission:
    """A request for pictures at a time; repeated while it is refused."""

    at: float
    user: int
    pictures: int = 4
    steps: int = STEPS
    side: int = 64
    guild: int | None = None
    seats: int | None = None


@dataclass(eq=False)
class Picture:
    """A picture in progress."""

    recipe: Recipe
    job: Job
    sequence: int
    steps_left: int
    last_tick: int = 0

    @property
    def owner(self) -> str:
        return str(self.job.user_id)

    @property
    def batch_key(self) -> BatchKey:
        return batch_key(self.recipe)

    @property
    def rows(self) -> int:
        return self.recipe.rows


@dataclass
class Simulation:
    """Bot and engine; `waits` are the seconds from each submission to its pictures, in order."""

    limits: Limits = field(default_factory=Limits)
    now: float = 0.0
    waits: dict[Submission, list[float]] = field(default_factory=dict)
    engine_seconds: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    """Engine seconds by user."""
    starts: list[str] = field(default_factory=list)
    """The ids of the jobs in the order of their starts."""
    reported_positions: list[tuple[str, int]] = field(default_factory=list)
    """Each queue position that was reported: a job, and the index of its start."""
    _submissions: list[Submission] = field(default_factory=list)
    _queue: list[Job] = field(default_factory=list)
    _at_engine: dict[str, Job] = field(default_factory=dict)
    _pictures: list[Picture] = field(default_factory=list)
    _submission_of: dict[str, Submission] = field(default_factory=dict)
    _served: dict[int, float] = field(default_factory=dict)
    _shares: VirtualTimes = field(default_factory=VirtualTimes)
    _samples: list[cost_model.Sample] = field(default_factory=list)
    _prior_seconds: dict[str, float] = field(default_factory=dict)
    _used: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _drr_state: DrrState = ()
    _ticks: int = 0
    _names: int = 0

    def run(self, submissions: Iterable[Submission]) -> "Simulation":
        """Run until all submissions have their pictures."""
        self._submissions = sorted(submissions)
        while self._submissions or self._queue or self._at_engine:
            self._submit_due()
            self._fill()
            if self._pictures:
                self._tick()
            else:
                self.now = max(self.now, self._submissions[0].at)
        return self

    def _submit_due(self) -> None:
        """Accept the due submissions; those that are refused stay for the next time."""
        refused: set[int] = set()
        for submission in [
            submission for submission in self._submissions if submission.at <= self.now
        ]:
            if submission.user not in refused and not is_full(self._load(submission), self.limits):
                self._submissions.remove(submission)
                self._accept(submission)
            else:
                refused.add(submission.user)

    def _load(self, submission: Submission) -> QueueDepth:
        unfinished = [*self._queue, *self._at_engine.values()]
        own = sum(job.user_id == submission.user for job in unfinished)
        in_guild = sum(
            job.target.guild_id == submission.guild
            for job in unfinished
            if submission.guild is not None
        )
        return QueueDepth(own, in_guild, len(unfinished))

    def _accept(self, submission: Submission) -> None:
        self._names += 1
        pictures = [
            recipe(steps=submission.steps, width=submission.side, height=submission.side, seed=seed)
            for seed in range(submission.pictures)
        ]
        accepted = job(
            f"j{self._names:05}",
            user_id=submission.user,
            recipes=tuple(pictures),
            created_at=self.now,
            target=ResponseTarget(channel_id=1, guild_id=submission.guild),
            max_concurrent=submission.seats,
        )
        self._submission_of[accepted.id] = submission
        self._queue.append(accepted)

    def _users(self) -> frozenset[int]:
        return frozenset(job.user_id for job in [*self._queue, *self._at_engine.values()])

    def _cost(self, job: Job) -> float:
        return cost_model.estimate(job.recipes, self._samples)

    def _fill(self) -> None:
        self._shares = fair_queue.sync_active(self._shares, self._users())
        painting = self._at_engine.values()
        self._queue = fair_queue.order(
            self._queue, painting, self._shares, self._served, self._cost
        )
        while startable := seats.next_to_start(self._queue, list(painting), self.limits):
            self._queue.remove(startable)
            self._start(startable)
        positions = enumerate(self._queue, start=len(self.starts))
        self.reported_positions += [(job.id, position) for position, job in positions]

    def _start(self, job: Job) -> None:
        self.starts.append(job.id)
        self._served[job.user_id] = self.now
        self._at_engine[job.id] = job
        self._prior_seconds[job.id] = self._shares.by_user[job.user_id]
        for index, image in enumerate(job.recipes):
            sequence = self._names * 4 + index
            self._pictures.append(Picture(image, job, sequence, image.steps))
        assert len(self._pictures) <= AT_ONCE

    def _tick(self) -> None:
        self._ticks += 1
        owner_seconds = self._owner_seconds() if self._ticks % SENIOR_EVERY else {}
        selection = select_batch(self._pictures, self._drr_state, _cost_of, owner_seconds)
        self._drr_state = selection.state
        self.now += _cost_of(selection.key)
        batch = [self._pictures[index] for index in selection.indices]
        rows = sum(picture.rows for picture in batch)
        for picture in batch:
            picture.last_tick = self._ticks
            picture.steps_left -= 1
            self._used[picture.job.id] += _cost_of(selection.key) * picture.rows / rows
        jobs = {picture.job.id: picture.job for picture in batch if not picture.steps_left}
        for finished in jobs.values():
            if not any(pic.steps_left for pic in self._pictures if pic.job is finished):
                self._end(finished)
        self._pictures = [picture for picture in self._pictures if picture.steps_left]

    def _owner_seconds(self) -> dict[str, float]:
        """Prior and current engine seconds by owner, as in the engine core."""
        prior: dict[str, float] = {}
        current: dict[str, float] = defaultdict(float)
        for name, running in self._at_engine.items():
            owner = str(running.user_id)
            prior[owner] = max(prior.get(owner, 0.0), self._prior_seconds[name])
            current[owner] += self._used[name]
        return {owner: seconds + current[owner] for owner, seconds in prior.items()}

    def _end(self, job: Job) -> None:
        people = self._users()
        del self._at_engine[job.id]
        seconds = self._used.pop(job.id)
        self.engine_seconds[job.user_id] += seconds
        self._shares = fair_queue.charge(self._shares, job.user_id, seconds, people)
        sample = cost_model.Sample(
            cost_model.pixels(job.recipes), cost_model.work(job.recipes), seconds
        )
        self._samples = [*self._samples[-49:], sample]
        submission = self._submission_of.pop(job.id)
        self.waits.setdefault(submission, []).append(self.now - submission.at)

    def mean_waits(self) -> dict[int, float]:
        """Mean seconds from submission to pictures, by user."""
        by_user: dict[int, list[float]] = {}
        for submission, waits in self.waits.items():
            by_user.setdefault(submission.user, []).extend(waits)
        return {user: sum(waits) / len(waits) for user, waits in by_user.items()}


def _cost_of(key: BatchKey) -> float:
    return SECONDS * key.width * key.height / 64**2
