"""What forward passes take, and whose their seconds are."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial

from engine.core.batch_cost import BatchCostModel
from engine.core.batching import BatchKey
from engine.core.request import Place, Ticket
from engine.device import Device
from engine.device.timing import OverlapTimer
from engine.pipeline.denoise import evaluate


@dataclass(eq=False)
class Batch:
    """A forward pass that was begun."""

    batch_key: BatchKey
    places: list[Place]
    measured: "list[tuple[Batch, float]]" = field(default_factory=list)
    """The batches, this one or earlier ones, whose seconds are known since."""

    @property
    def rows(self) -> int:
        """That hold a picture."""
        return sum(place.rows for place in self.places)


class Meter:
    """Counts all passes from the first one. A pass's seconds are divided by rows."""

    def __init__(self, device: Device) -> None:
        self.ticks = 0
        """Forward passes so far."""
        self.seconds = 0.0
        """In them and what belongs to them, so far."""
        self.rows = (0, 0)
        """Of all batches so far: given, and of these used; the difference was padding."""
        self._costs = BatchCostModel()
        self._pace: OverlapTimer[Batch] = OverlapTimer(device)
        self._under_way: list[Batch] = []

    def cost(self, batch_key: BatchKey) -> float:
        """Seconds of a pass of this lane, as far as they can be foretold."""
        return self._costs.estimate(batch_key)

    def begin(self, batch: Batch) -> Callable[[], None]:
        """The pass itself, for whichever thread has a hand free."""
        self._under_way.append(batch)
        return partial(self._run, batch)

    def end(self, batch: Batch, *, failed: bool) -> None:
        """Charge who was in it, or in earlier ones whose end is known only now."""
        known: Collection[Batch] = [measured for measured, _ in batch.measured]
        if failed:
            known = [*known, batch]
        self._under_way = [each for each in self._under_way if each not in known]
        for measured, seconds in batch.measured:
            self._costs.learn(measured.batch_key, seconds)
            self.ticks += 1
            self.seconds += seconds
            given, used = self.rows
            self.rows = given + measured.batch_key.rows, used + measured.rows
            for place in measured.places:
                place.ticket.worked += seconds * place.rows / measured.rows

    def charge_stopped(self, ticket: Ticket) -> None:
        """Charge a ticket that stops for what is under way: who stops in each first pass would
        otherwise have the engine for nothing."""
        ticket.worked += sum(
            self.cost(batch.batch_key) * place.rows / batch.rows
            for batch in self._under_way
            for place in batch.places
            if place.ticket is ticket
        )

    def _run(self, batch: Batch) -> None:
        canvases = [place.canvas for place in batch.places]
        batch.measured = self._pace.run(batch, lambda: evaluate(canvases))
