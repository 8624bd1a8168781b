"""Submit jobs to a backend in a closed or open loop, and record the time when each ends."""

import itertools
import queue
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tqdm import tqdm

from engine.bench.backends import Backend
from engine.contract import Recipe
from engine.core.job_files import JobWithFiles


@dataclass(frozen=True)
class Completed:
    """A painted job."""

    job: JobWithFiles
    recipes: list[Recipe]
    """With the row class that was used."""
    digests: list[str]
    submitted_at: float
    finished_at: float

    @property
    def seconds(self) -> float:
        """Latency of the job."""
        return self.finished_at - self.submitted_at


class LoadGenerator:
    """Submits jobs to a backend."""

    def __init__(self, backend: Backend, jobs: Sequence[JobWithFiles]) -> None:
        self._backend = backend
        self._jobs = list(jobs)
        self._completed: queue.Queue[Completed] = queue.Queue()

    def closed_loop(self, people: int) -> list[Completed]:
        """Keep `people` jobs in flight: a new one is submitted when one completes."""
        remaining = iter(self._jobs)
        for job in itertools.islice(remaining, people):
            self._submit(job)
        completed = []
        for _ in self._progress(f"{people} people"):
            completed.append(self._completed.get())
            for job in itertools.islice(remaining, 1):
                self._submit(job)
        return completed

    def open_loop(self, rate: float) -> list[Completed]:
        """Submit `rate` jobs per second on average, at random times (a Poisson process)."""
        rng = random.Random(0)  # noqa: S311 # a seed, not a secret
        for job in self._jobs:
            time.sleep(rng.expovariate(rate))
            self._submit(job)
        return [self._completed.get() for _ in self._progress(f"{rate:.2g} a second")]

    def _progress(self, load: str) -> "tqdm[JobWithFiles]":
        return tqdm(self._jobs, f"{self._backend.name}, {load}", leave=False, disable=None)

    def _submit(self, job: JobWithFiles) -> None:
        submitted_at = time.monotonic()

        def on_done(recipes: list[Recipe], digests: list[str]) -> None:
            self._completed.put(Completed(job, recipes, digests, submitted_at, time.monotonic()))

        self._backend.submit(job, on_done)
