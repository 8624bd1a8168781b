"""A model of one replica: the engine's choice of batches, with measured times of its passes.

It is the engine core (`engine/core`) without tensors: each forward pass is chosen by the core's own
`select_batch`, takes the measured time, and is charged by rows. A step of all pictures of a job
that fit into one batch is one entry of the choice, not one for each picture.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bot.engine_client.base import EngineDied, EventCallback
from engine.contract import (
    Completed,
    Ending,
    ImageDone,
    Paint,
    PaintedImage,
    Recipe,
    Verdict,
)
from engine.core.batching import NO_SECONDS, BatchKey, DrrState, batch_key, select_batch
from engine.core.engine_core import MAX_RUNNING
from engine.core.scheduler import AGING_PERIOD

_REACTION_SECONDS: Final = 1e-6
"""The bot reacts to an ending before the next pass begins."""
_WITHHELD: Final = (Verdict(checker="model", score=1.0, flagged=True),)
"""Of all pictures, so that the bot has no file to write."""


@dataclass(frozen=True, kw_only=True)
class PassCost:
    """What a model's pictures cost on one device.

    `pictures_per_second` is of a loaded engine, with everything: passes, decoding, checking and
    encoding. The time of a pass is derived from it, so that a loaded replica is as fast.
    """

    name: str
    side: int
    """Of the square pictures, in pixels."""
    steps: int
    row_class: int
    """Of the pictures of a job of four."""
    pictures_per_second: float
    source: str
    """Where it was measured."""

    @property
    def seconds(self) -> float:
        """Of one pass of a full batch."""
        return self.row_class / 2 / (self.pictures_per_second * self.steps)

    @property
    def jobs_per_second(self) -> float:
        """Jobs of four pictures that a replica paints at most."""
        return self.pictures_per_second / 4


_README: Final = "engine/README.md, Measurements, GPU: one NVIDIA H200, float16, 2026-11-27"
SD15: Final = PassCost(
    name="Stable Diffusion 1.5, 512 x 512",
    side=512,
    steps=20,
    row_class=8,
    pictures_per_second=5.86,
    source=f"{_README}, exact, 16 jobs of four pictures",
)
SDXL: Final = PassCost(
    name="SDXL, 1024 x 1024",
    side=1024,
    steps=20,
    row_class=2,
    pictures_per_second=1.16,
    source=f"{_README}, exact, 8 jobs of one picture, as a grid is four batches of one picture",
)


@dataclass(eq=False)
class _Request:
    paint: Paint
    on_event: EventCallback
    ending: asyncio.Future[Ending]
    added_at: float
    entries: list["_Entry"] = field(default_factory=list)
    seconds: float = 0.0
    """Of passes."""


@dataclass(eq=False)
class _Entry:
    """Pictures of a job that take part in passes together; `select_batch` reads it as one image."""

    request: _Request
    indices: range
    """Of the recipes in `Paint.recipes`."""
    batch_key: BatchKey
    rows: int
    evaluations: int
    """That are left."""
    sequence: int
    owner: str
    last_tick: int = 0


class ReplicaModel:
    """Runs jobs one pass after the other in the event loop's time, which must be simulated."""

    def __init__(
        self, name: str, seconds: Callable[[BatchKey], float], on_free: Callable[[], None]
    ) -> None:
        """`seconds` are those of a pass of a batch of this key; `on_free` is called whenever jobs
        have ended or the replica has returned."""
        self.name = name
        self._seconds = seconds
        self._on_free = on_free
        self._requests: dict[str, _Request] = {}
        self._waiting: deque[_Request] = deque()
        self._entries: list[_Entry] = []
        self._sequence = itertools.count(1)
        self._ticks = itertools.count(1)
        self._drr_state: DrrState = ()
        self._pass: asyncio.TimerHandle | None = None
        self.is_alive = True
        self.busy_seconds = 0.0
        """Spent in passes."""

    @property
    def jobs(self) -> int:
        """The number of its jobs."""
        return len(self._requests)

    @property
    def load(self) -> int:
        """The pictures of its jobs, finished ones too."""
        return sum(len(request.paint.recipes) for request in self._requests.values())

    def submit(self, paint: Paint, on_event: EventCallback) -> asyncio.Future[Ending]:
        """Run a job. The future fails with EngineDied if the replica dies before."""
        loop = asyncio.get_running_loop()
        request = _Request(paint, on_event, loop.create_future(), loop.time())
        self._requests[paint.job] = request
        self._waiting.append(request)
        if self._pass is None:
            self._pass = loop.call_later(0.0, self._start_pass)
        return request.ending

    def die(self) -> None:
        """End all jobs with EngineDied."""
        if self._pass is not None:
            self._pass.cancel()
            self._pass = None
        requests = list(self._requests.values())
        self._requests.clear()
        self._waiting.clear()
        self._entries.clear()
        self._drr_state = ()
        self.is_alive = False
        for request in requests:
            request.ending.set_exception(EngineDied("The replica died."))

    def recover(self) -> None:
        """Accept jobs again."""
        self.is_alive = True
        self._on_free()

    def _start_pass(self) -> None:
        while self._waiting and self._has_room(self._waiting[0]):
            self._accept(self._waiting.popleft())
        if not self._entries:
            self._pass = None
            return
        entries, key = self._select()
        seconds = self._seconds(key)
        loop = asyncio.get_running_loop()
        self._pass = loop.call_later(seconds, self._end_pass, entries, seconds)

    def _has_room(self, request: _Request) -> bool:
        running = sum(len(entry.indices) for entry in self._entries)
        return running + len(request.paint.recipes) <= MAX_RUNNING

    def _accept(self, request: _Request) -> None:
        recipes = request.paint.recipes
        first = recipes[0]
        assert isinstance(first, Recipe)
        assert all(isinstance(recipe, Recipe) and recipe.rows == first.rows for recipe in recipes)
        size = first.row_class // first.rows
        for start in range(0, len(recipes), size):
            indices = range(start, min(start + size, len(recipes)))
            evaluations = first.executed_steps * first.sampler.scheduler.order
            entry = _Entry(
                request,
                indices,
                batch_key(first),
                first.rows * len(indices),
                evaluations,
                next(self._sequence),
                request.paint.owner,
            )
            request.entries.append(entry)
            self._entries.append(entry)

    def _select(self) -> tuple[list[_Entry], BatchKey]:
        """The entries of the next pass, chosen as `engine.core.scheduler.BatchScheduler` does."""
        tick = next(self._ticks)
        if len(self._entries) == 1:
            entries = list(self._entries)
            key = entries[0].batch_key
        else:
            seconds = self._owner_seconds() if tick % AGING_PERIOD else NO_SECONDS
            selection = select_batch(self._entries, self._drr_state, self._seconds, seconds)
            self._drr_state = selection.state
            entries = [self._entries[index] for index in selection.indices]
            key = selection.key
        for entry in entries:
            entry.last_tick = tick
        return entries, key

    def _owner_seconds(self) -> Mapping[str, float]:
        """As `engine.core.scheduler.seconds_by_owner`."""
        prior: dict[str, float] = {}
        current: dict[str, float] = {}
        for request in self._requests.values():
            owner = request.paint.owner
            prior[owner] = max(prior.get(owner, 0.0), request.paint.prior_seconds)
            current[owner] = current.get(owner, 0.0) + request.seconds
        return {owner: prior[owner] + seconds for owner, seconds in current.items()}

    def _end_pass(self, entries: list[_Entry], seconds: float) -> None:
        self.busy_seconds += seconds
        rows = sum(entry.rows for entry in entries)
        finished = []
        for entry in entries:
            entry.request.seconds += seconds * entry.rows / rows
            entry.evaluations -= 1
            if entry.evaluations == 0:
                finished.append(entry)
        for entry in finished:
            self._finish(entry)
        loop = asyncio.get_running_loop()
        if finished:
            self._pass = loop.call_later(_REACTION_SECONDS, self._start_pass)
            self._on_free()
        else:
            self._start_pass()

    def _finish(self, entry: _Entry) -> None:
        self._entries.remove(entry)
        request = entry.request
        paint = request.paint
        request.entries.remove(entry)
        for index in entry.indices:
            event = ImageDone(
                job=paint.job, attempt=paint.attempt, index=index, image=_image(paint)
            )
            request.on_event(event)
        if not request.entries:
            del self._requests[paint.job]
            seconds = asyncio.get_running_loop().time() - request.added_at
            request.ending.set_result(
                Completed(
                    job=paint.job,
                    attempt=paint.attempt,
                    seconds=seconds,
                    engine_seconds=request.seconds,
                )
            )


def _image(paint: Paint) -> PaintedImage:
    recipe = paint.recipes[0]
    assert isinstance(recipe, Recipe)
    return PaintedImage(
        png=b"",
        sha256="a" * 64,
        verdicts=_WITHHELD,
        row_class=recipe.row_class,
        fingerprint="simulated",
    )
