"""Jobs as people send them, and how long each took."""

import itertools
import queue
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tqdm import tqdm

from engine.bench.backends import Way
from engine.contract import Paint, Recipe


@dataclass(frozen=True)
class Ended:
    """A job that has been painted."""

    job: Paint
    recipes: list[Recipe]
    """As they were painted."""
    digests: list[str]
    came: float
    went: float

    @property
    def seconds(self) -> float:
        """From its coming to its end."""
        return self.went - self.came


class Crowd:
    """Hands jobs to a way of painting, and writes down when each has ended."""

    def __init__(self, way: Way, jobs: Sequence[Paint]) -> None:
        self._way = way
        self._jobs = list(jobs)
        self._ended: queue.Queue[Ended] = queue.Queue()

    def closed_loop(self, people: int) -> list[Ended]:
        """So many people, each of whom asks again as soon as they have their pictures."""
        coming = iter(self._jobs)
        for job in itertools.islice(coming, people):
            self._submit(job)
        ended = []
        for _ in self._progress(f"{people} people"):
            ended.append(self._ended.get())
            for job in itertools.islice(coming, 1):
                self._submit(job)
        return ended

    def arriving(self, rate: float) -> list[Ended]:
        """Jobs a second on average, at random times (Poisson)."""
        rng = random.Random(0)  # noqa: S311 # a seed, not a secret
        for job in self._jobs:
            time.sleep(rng.expovariate(rate))
            self._submit(job)
        return [self._ended.get() for _ in self._progress(f"{rate:.2g} a second")]

    def _progress(self, load: str) -> "tqdm[Paint]":
        return tqdm(self._jobs, f"{self._way.name}, {load}", leave=False, disable=None)

    def _submit(self, job: Paint) -> None:
        came = time.monotonic()

        def done(recipes: list[Recipe], digests: list[str]) -> None:
            self._ended.put(Ended(job, recipes, digests, came, time.monotonic()))

        self._way.submit(job, done)
