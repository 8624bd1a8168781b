"""Whose turn it is: remembers who is at the engine, and who had how much of it."""

from collections.abc import Callable, Sequence

from bot.db.jobs import Ledger
from bot.db.usage import Charges
from bot.domain import cost_model, fair_queue, seats
from bot.domain.fair_queue import Shares
from bot.domain.job import Job
from bot.domain.limits import Forecast, Limits
from engine.contract import ModelCard


class JobScheduler:
    """What it remembers evens out differences of a few jobs, so a restart may forget it."""

    def __init__(
        self, ledger: Ledger, charges: Charges, model: Callable[[], ModelCard], limits: Limits
    ) -> None:
        self._ledger = ledger
        self._charges = charges
        self._model = model
        self._limits = limits
        self._at_engine: dict[str, Job] = {}
        self._shares = Shares()
        self._people: frozenset[int] = frozenset()
        self._samples: Sequence[cost_model.Sample] = ()

    @property
    def at_engine(self) -> int:
        """How many jobs are there."""
        return len(self._at_engine)

    async def line(self) -> list[Job]:
        """All who wait, in the order in which they will be served if nobody else comes."""
        await self.learn()
        waiting = await self._ledger.waiting()
        served = await self._ledger.served()
        painting = self._at_engine.values()
        self._people = frozenset(job.person for job in [*waiting, *painting])
        self._shares = fair_queue.present(self._shares, self._people)
        return fair_queue.order(waiting, painting, self._shares, served, self.cost)

    async def learn(self) -> None:
        """See what jobs have cost until now."""
        self._samples = await self._charges.samples(self._model().revision)

    def next_of(self, line: Sequence[Job]) -> Job | None:
        """Which of these goes to the engine now, if there is a place."""
        return seats.next_start(line, list(self._at_engine.values()), self._limits)

    def start(self, job: Job) -> None:
        """It is at the engine."""
        self._at_engine[job.id] = job

    def end(self, job: Job, worked: float) -> None:
        """It is there no more, and was worked on for so many seconds of the engine."""
        del self._at_engine[job.id]
        people = self._people | {job.person}
        seconds = max(cost_model.LEAST, worked)
        self._shares = fair_queue.charged(self._shares, job.person, seconds, people)

    def had(self, person: int) -> float:
        """Seconds of the engine that this person had of late, to be compared with others'."""
        return self._shares.had.get(person, self._shares.floor)

    def cost(self, job: Job) -> float:
        """Seconds of the engine that the job will take, for all that was learned."""
        return cost_model.estimate(job.recipes, self._samples)

    async def forecast(self, person: int) -> Forecast | None:
        """When this person's jobs, and all, will be done; None while nothing is known."""
        line = await self.line()
        if not self._samples:
            return None
        hands = self._model().max_concurrent_batches
        painting = self._at_engine.values()
        first = fair_queue.until_first(person, line, painting, self.cost)
        return Forecast(first / hands, sum(map(self.cost, [*painting, *line])) / hands)
