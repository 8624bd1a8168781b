"""A day at the bot in no time: the real decisions of bot and engine, and a clock that jumps."""

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
"""Of a forward pass of 64 x 64 pixels."""
STEPS: Final = 20


@dataclass(frozen=True, order=True)
class Wish:
    """Somebody wants pictures, and asks as soon as they may."""

    at: float
    person: int
    pictures: int = 4
    steps: int = STEPS
    side: int = 64
    guild: int | None = None
    seats: int | None = None


@dataclass(eq=False)
class Picture:
    """In progress."""

    recipe: Recipe
    job: Job
    sequence: int
    left: int
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
class House:
    """Bot and engine; `waits` are the seconds from a wish to its pictures, in their order."""

    limits: Limits = field(default_factory=Limits)
    now: float = 0.0
    waits: dict[Wish, list[float]] = field(default_factory=dict)
    worked: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    """Seconds of the engine, by person."""
    starts: list[str] = field(default_factory=list)
    """The jobs in the order in which they went to the engine."""
    foretold: list[tuple[str, int]] = field(default_factory=list)
    """Each time that people were told their places: a job, and which start it would be."""
    _wishes: list[Wish] = field(default_factory=list)
    _line: list[Job] = field(default_factory=list)
    _at_engine: dict[str, Job] = field(default_factory=dict)
    _pictures: list[Picture] = field(default_factory=list)
    _wish_of: dict[str, Wish] = field(default_factory=dict)
    _served: dict[int, float] = field(default_factory=dict)
    _shares: VirtualTimes = field(default_factory=VirtualTimes)
    _samples: list[cost_model.Sample] = field(default_factory=list)
    _had: dict[str, float] = field(default_factory=dict)
    _used: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _drr_state: DrrState = ()
    _ticks: int = 0
    _names: int = 0

    def live(self, wishes: Iterable[Wish]) -> "House":
        """Until all are fulfilled."""
        self._wishes = sorted(wishes)
        while self._wishes or self._line or self._at_engine:
            self._ask()
            self._fill()
            if self._pictures:
                self._tick()
            else:
                self.now = max(self.now, self._wishes[0].at)
        return self

    def _ask(self) -> None:
        """All whose time has come and who are not refused; those who are try again."""
        refused: set[int] = set()
        for wish in [wish for wish in self._wishes if wish.at <= self.now]:
            if wish.person not in refused and not is_full(self._load(wish), self.limits):
                self._wishes.remove(wish)
                self._accept(wish)
            else:
                refused.add(wish.person)

    def _load(self, wish: Wish) -> QueueDepth:
        unfinished = [*self._line, *self._at_engine.values()]
        own = sum(each.user_id == wish.person for each in unfinished)
        theirs = sum(
            each.target.guild_id == wish.guild for each in unfinished if wish.guild is not None
        )
        return QueueDepth(own, theirs, len(unfinished))

    def _accept(self, wish: Wish) -> None:
        self._names += 1
        pictures = [
            recipe(steps=wish.steps, width=wish.side, height=wish.side, seed=nth)
            for nth in range(wish.pictures)
        ]
        asked = job(
            f"j{self._names:05}",
            user_id=wish.person,
            recipes=tuple(pictures),
            created_at=self.now,
            target=ResponseTarget(channel_id=1, guild_id=wish.guild),
            max_concurrent=wish.seats,
        )
        self._wish_of[asked.id] = wish
        self._line.append(asked)

    def _people(self) -> frozenset[int]:
        return frozenset(each.user_id for each in [*self._line, *self._at_engine.values()])

    def _cost(self, job: Job) -> float:
        return cost_model.estimate(job.recipes, self._samples)

    def _fill(self) -> None:
        self._shares = fair_queue.sync_active(self._shares, self._people())
        painting = self._at_engine.values()
        self._line = fair_queue.order(self._line, painting, self._shares, self._served, self._cost)
        while found := seats.next_to_start(self._line, list(painting), self.limits):
            self._line.remove(found)
            self._start(found)
        told = enumerate((each.id for each in self._line), start=len(self.starts))
        self.foretold += [(name, nth) for nth, name in told]

    def _start(self, job: Job) -> None:
        self.starts.append(job.id)
        self._served[job.user_id] = self.now
        self._at_engine[job.id] = job
        self._had[job.id] = self._shares.by_user[job.user_id]
        for nth, each in enumerate(job.recipes):
            self._pictures.append(Picture(each, job, self._names * 4 + nth, each.steps))
        assert len(self._pictures) <= AT_ONCE

    def _tick(self) -> None:
        self._ticks += 1
        had = self._standing() if self._ticks % SENIOR_EVERY else {}
        selection = select_batch(self._pictures, self._drr_state, _cost_of, had)
        self._drr_state = selection.state
        self.now += _cost_of(selection.key)
        batch = [self._pictures[index] for index in selection.indices]
        used = sum(each.rows for each in batch)
        for each in batch:
            each.last_tick = self._ticks
            each.left -= 1
            self._used[each.job.id] += _cost_of(selection.key) * each.rows / used
        for finished in {each.job.id: each.job for each in batch if not each.left}.values():
            if not any(each.left for each in self._pictures if each.job is finished):
                self._end(finished)
        self._pictures = [each for each in self._pictures if each.left]

    def _standing(self) -> dict[str, float]:
        """As the painter has it."""
        before: dict[str, float] = {}
        here: dict[str, float] = defaultdict(float)
        for each in self._at_engine.values():
            owner = str(each.user_id)
            before[owner] = max(before.get(owner, 0.0), self._had[each.id])
            here[owner] += self._used[each.id]
        return {owner: had + here[owner] for owner, had in before.items()}

    def _end(self, job: Job) -> None:
        people = self._people()
        del self._at_engine[job.id]
        seconds = self._used.pop(job.id)
        self.worked[job.user_id] += seconds
        self._shares = fair_queue.charge(self._shares, job.user_id, seconds, people)
        sample = cost_model.Sample(
            cost_model.pixels(job.recipes), cost_model.work(job.recipes), seconds
        )
        self._samples = [*self._samples[-49:], sample]
        wish = self._wish_of.pop(job.id)
        self.waits.setdefault(wish, []).append(self.now - wish.at)

    def mean_waits(self) -> dict[int, float]:
        """Seconds from wish to pictures, by person."""
        by: dict[int, list[float]] = {}
        for wish, waits in self.waits.items():
            by.setdefault(wish.person, []).extend(waits)
        return {person: sum(waits) / len(waits) for person, waits in by.items()}


def _cost_of(key: BatchKey) -> float:
    return SECONDS * key.width * key.height / 64**2
