"""Measure how long it takes to add a LoRA, and whether pictures in progress wait for it."""

import os
import queue
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, ParamSpec

import msgspec

from engine.bench.backends import exit_bench, pipeline_of
from engine.bench.steered_files import write_lora
from engine.bench.timed_job import TimedJob, with_most_steps
from engine.contract import Recipe
from engine.core.lora_watcher import LoraWatcher
from engine.core.worker import Worker
from engine.errors import EngineError
from engine.models.unet_diffusion import UnetDiffusion
from engine.weights.loras import LORAS_VARIABLE

_ADDED: Final = 5
_TIMEOUT: Final = 60.0
"""Seconds within which a LoRA must be offered."""
_SCALE: Final = 0.8
P = ParamSpec("P")


@dataclass(frozen=True)
class AddedLora:
    """Some LoRAs that are added and used while plain pictures are painted; all times are in
    seconds."""

    kibibytes: int
    seconds: float
    """From the end of writing the file to the new card; median."""
    first_use: float
    """From the submission of the first picture with it to that picture's first step; median."""
    later_use: float
    """The same of the second picture with it; median."""
    longest_step: float
    """The longest time between two steps of the plain pictures while a LoRA is added."""
    first_use_step: float
    """The same during `first_use`."""
    later_use_step: float
    """The same during `later_use`."""
    usual_step: float
    """The same while nothing happens, in as many periods of the length of `seconds`."""


def line(added: AddedLora) -> str:
    """Two lines of text."""
    return (
        f"A LoRA of {added.kibibytes} KiB is offered after {added.seconds:.2f} s; the first step "
        f"with it takes {added.first_use:.3f} s, that of the next picture {added.later_use:.3f} s."
        f"\nThe longest step of plain pictures is {added.longest_step:.3f} s while it is added, "
        f"{added.first_use_step:.3f} s during that first step, {added.later_use_step:.3f} s during "
        f"the next one, {added.usual_step:.3f} s else.\n"
    )


def run(worker: Worker, model: UnetDiffusion, plain: Recipe, folder: Path) -> AddedLora:
    """Add LoRAs with random weights, which are written into an empty folder, beside plain pictures
    of this recipe. The model loses those that it has. Raises EngineError if a picture is not
    painted."""
    files = [folder / f"{nth}.safetensors" for nth in range(_ADDED)]
    for nth, file in enumerate(files):
        write_lora(file, pipeline_of(model).unet, seed=nth + 2)
    size = files[0].stat().st_size
    offered = folder / "offered"
    offered.mkdir()
    os.environ[LORAS_VARIABLE] = str(offered)
    changes: queue.Queue[None] = queue.Queue()
    watcher = LoraWatcher([model], lambda: changes.put(None))
    watcher.start()
    changes.get(timeout=_TIMEOUT)  # the card loses its LoRAs
    pictures = _PlainPictures(worker, with_most_steps(plain, model.card))
    adding, quiet, first_uses, later_uses = (_Periods() for _ in range(4))
    try:
        for file in files:
            adding.measure(_add, file, offered, changes)
            quiet.measure(time.sleep, adding.seconds[-1])
            for uses in (first_uses, later_uses):
                uses.measure(_use, worker, model, plain, file.stem)
    finally:
        watcher.close()
        pictures.stop()
    return AddedLora(
        size // 1024,
        *(statistics.median(periods.seconds) for periods in (adding, first_uses, later_uses)),
        *map(pictures.longest_step, (adding, first_uses, later_uses, quiet)),
    )


def _add(file: Path, folder: Path, changes: "queue.Queue[None]") -> None:
    """Move a file into a folder, and wait until it is offered."""
    file.rename(folder / file.name)
    changes.get(timeout=_TIMEOUT)


def _use(worker: Worker, model: UnetDiffusion, plain: Recipe, name: str) -> None:
    """Paint the first step of a picture with a LoRA."""
    recipe = msgspec.structs.replace(plain, seed=1, adapters=(model.card.adapter(name, _SCALE),))
    job = TimedJob(worker, [recipe])
    job.wait_for_step()
    job.cancel()


class _Periods:
    """Spans of time in which the same is done."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []
        """Start and end, in seconds of time.monotonic."""

    @property
    def seconds(self) -> list[float]:
        """The length of each."""
        return [end - start for start, end in self.spans]

    def measure(self, action: Callable[P, None], *arguments: P.args, **options: P.kwargs) -> None:
        """Add the span of this call."""
        start = time.monotonic()
        action(*arguments, **options)
        self.spans.append((start, time.monotonic()))


class _PlainPictures:
    """Two plain pictures at a time, in one job after the other, until `stop`."""

    def __init__(self, worker: Worker, plain: Recipe) -> None:
        """`plain` is their recipe. Returns when the first step has ended."""
        self._worker = worker
        self._recipe = plain
        self._jobs = [self._next_job()]
        self._jobs[0].wait_for_step()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="plain-pictures", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cancel the job that is running."""
        self._is_stopping = True
        self._jobs[-1].cancel()
        self._thread.join()

    def longest_step(self, periods: _Periods) -> float:
        """The seconds of the longest step of which a part lies in one of the periods."""
        steps = [step for job in self._jobs for step in pairwise(job.steps)]
        return max(
            (
                step_end - step_start
                for step_start, step_end in steps
                for start, end in periods.spans
                if step_start < end and start < step_end
            ),
            default=0.0,
        )

    def _next_job(self) -> TimedJob:
        return TimedJob(self._worker, [self._recipe, self._recipe])

    def _run(self) -> None:
        try:
            self._jobs[-1].wait()
            while not self._is_stopping:
                self._jobs.append(self._next_job())
                self._jobs[-1].wait()
        except EngineError as error:
            exit_bench(error)
