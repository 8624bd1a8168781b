"""Seconds that the model's forward passes take, whoever asks for them."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import torch

from engine.device import Device

T = TypeVar("T")


class Stopwatch:
    """Adds up what is done within it, in any number of threads.

    A GPU works through its orders long after they were given, so there two events in its own
    queue, one before and one after them, say what it took. `Painter.seconds` is measured likewise,
    so the one may be divided by the other: what is left is the device's time for all else that a
    tick asks of it, and the time for which it had to wait, within the tick, for its next order.
    What the painter does between two ticks is not in it: the device works on the last one then.
    """

    def __init__(self, device: Device, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._on_gpu = device.torch_device.type == "cuda"
        self._seconds = 0.0
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self._adding = threading.Lock()

    @property
    def seconds(self) -> float:
        """So far; waits for the device to come so far."""
        with self._adding:
            events, self._events = self._events, []
            for began, ended in events:
                ended.synchronize()
                self._seconds += began.elapsed_time(ended) / 1000
            return self._seconds

    def time(self, work: Callable[[], T]) -> T:
        """Do it, and add what it took."""
        return self._time_on_gpu(work) if self._on_gpu else self._time_here(work)

    def _time_here(self, work: Callable[[], T]) -> T:
        since = self._clock()
        done = work()
        took = self._clock() - since
        with self._adding:
            self._seconds += took
        return done

    def _time_on_gpu(self, work: Callable[[], T]) -> T:
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        began.record()
        done = work()
        ended.record()
        with self._adding:
            self._events.append((began, ended))
        return done
