"""Measure forward passes, and charge their seconds to requests."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from engine.core.batch_cost import BatchCostModel
from engine.core.batching import BatchKey
from engine.core.request import Request, RunningImage
from engine.device import Device
from engine.device.cores import all_cores
from engine.device.timing import OverlapTimer
from engine.models.base import DiffusionModel
from engine.pipeline.denoise import ModelCall, call, forward_batch


@dataclass(eq=False)
class Batch:
    """A forward pass that was started."""

    key: BatchKey
    images: list[RunningImage]
    is_alone: bool = False
    """Whether nothing else runs in the executor when it starts."""
    completed: "list[tuple[Batch, float]]" = field(default_factory=list)
    """The batches, this one or earlier ones, whose end its run reported, with their seconds."""

    @property
    def model(self) -> DiffusionModel:
        """The model of its images."""
        return self.images[0].state.model

    @property
    def rows(self) -> int:
        """Rows of images, without padding."""
        return sum(image.rows for image in self.images)

    def share_of(self, image: RunningImage) -> float:
        """Of the batch's time, by the work of its images."""
        return image.work / sum(other.work for other in self.images)


class RowCounts(NamedTuple):
    """Numbers of rows in all batches so far."""

    total: int = 0
    """Including padding."""
    used: int = 0
    """Without padding."""


class UsageMeter:
    """Accumulates forward-pass time and charges it to requests in proportion to their rows,
    those of steered images at their estimated higher cost."""

    def __init__(
        self,
        device: Device,
        call_model: ModelCall = call,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ticks = 0
        """Completed forward passes."""
        self.seconds = 0.0
        """Spent in forward passes."""
        self.rows = RowCounts()
        self._call_model = call_model
        self._costs = BatchCostModel()
        self._timer: OverlapTimer[Batch] = OverlapTimer(device, clock)
        self._in_flight: list[Batch] = []

    def cost(self, key: BatchKey) -> float:
        """Estimated seconds of a batch of this key, above 0."""
        return self._costs.estimate(key)

    def start(self, batch: Batch) -> Callable[[], None]:
        """Register a batch; returns a function that runs its forward pass, in any thread."""
        self._in_flight.append(batch)
        return partial(self._run, batch)

    def end(self, batch: Batch, *, failed: bool) -> None:
        """Charge the requests of the batches in `batch.completed`, and update the counters."""
        ended_batches = [completed for completed, _ in batch.completed]
        if failed:
            ended_batches.append(batch)
        self._in_flight = [running for running in self._in_flight if running not in ended_batches]
        for completed, seconds in batch.completed:
            self._costs.learn(completed.key, seconds)
            self.ticks += 1
            self.seconds += seconds
            total, used = self.rows
            self.rows = RowCounts(total + completed.key.rows, used + completed.rows)
            for image in completed.images:
                image.request.forward_seconds += seconds * completed.share_of(image)

    def charge_in_flight(self, request: Request) -> None:
        """Charge a cancelled request its estimated share of the batches in flight.

        Otherwise a client that cancels each request in its first pass would pay nothing.
        """
        request.forward_seconds += sum(
            self.cost(batch.key) * batch.share_of(image)
            for batch in self._in_flight
            for image in batch.images
            if image.request is request
        )

    def _run(self, batch: Batch) -> None:
        states = [image.state for image in batch.images]
        with all_cores(are_free=batch.is_alone):
            batch.completed = self._timer.run(
                batch, lambda: forward_batch(states, batch.key.rows, self._call_model)
            )
