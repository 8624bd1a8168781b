"""Estimates of the seconds that a batch of each key takes, from measurements."""

from typing import Final

from engine.contract import INITIAL_SECONDS_PER_PIXEL
from engine.core.batching import BatchKey

_MIN_SECONDS: Final = 1e-6
_EMA_ALPHA: Final = 0.2
"""Weight of a new measurement in the exponential moving average."""


class BatchCostModel:
    """Exponential moving averages of measured batch times, by batch key."""

    def __init__(self) -> None:
        self._seconds: dict[BatchKey, float] = {}

    def is_measured(self, key: BatchKey) -> bool:
        """Whether the estimate of this key comes from its own batches."""
        return _shared(key) in self._seconds

    def estimate(self, key: BatchKey) -> float:
        """Seconds of one batch, above 0; proportional to its pixels if the key was not measured."""
        key = _shared(key)
        if key in self._seconds:
            return self._seconds[key]
        rates = [seconds / _pixels(measured) for measured, seconds in self._seconds.items()]
        rate = sum(rates) / len(rates) if rates else INITIAL_SECONDS_PER_PIXEL
        return _pixels(key) * rate

    def learn(self, key: BatchKey, seconds: float) -> None:
        """Add a measured batch to the average of its key."""
        key = _shared(key)
        average = self._seconds.get(key, seconds)
        self._seconds[key] = max(_MIN_SECONDS, average + _EMA_ALPHA * (seconds - average))


def _shared(key: BatchKey) -> BatchKey:
    """The key of other requests' batches of this kind."""
    return key._replace(exclusive_id=0) if key.exclusive_id else key


def _pixels(key: BatchKey) -> int:
    return key.width * key.height * key.rows
