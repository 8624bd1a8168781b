"""What batches cost, learned while they are painted."""

from typing import Final

from engine.core.batching import Lane

_GUESS: Final = 1e-6
"""Seconds for each pixel of each row, while nothing is known."""
_SHORTEST: Final = 1e-6
_TRUST: Final = 0.2
"""How far one measurement moves what is known."""


class Costs:
    """What a batch of each lane takes, in seconds, as measured."""

    def __init__(self) -> None:
        self._seconds: dict[Lane, float] = {}

    def of(self, lane: Lane) -> float:
        """Of one batch; of a lane that never had a turn, guessed from the others."""
        kind = lane._replace(apart=0)
        if kind in self._seconds:
            return self._seconds[kind]
        rates = [seconds / _size(known) for known, seconds in self._seconds.items()]
        return _size(kind) * (sum(rates) / len(rates) if rates else _GUESS)

    def learn(self, lane: Lane, seconds: float) -> None:
        """A batch of this lane took so long."""
        kind = lane._replace(apart=0)
        known = self._seconds.get(kind, seconds)
        self._seconds[kind] = max(_SHORTEST, known + _TRUST * (seconds - known))


def _size(lane: Lane) -> int:
    return lane.width * lane.height * lane.capacity
