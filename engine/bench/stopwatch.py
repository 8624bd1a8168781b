"""Measure the time that the model's forward passes take."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import torch

from engine.device import Device

T = TypeVar("T")


class Stopwatch:
    """Adds up the time of calls, in any number of threads.

    A GPU runs kernels asynchronously, so its time is measured with two CUDA events around the call.
    The engine measures its ticks in the same way. So the difference of both is the device's time
    for the rest of a tick, including its idle time within the tick. The time between two ticks is
    not included, because the device is still busy with the last one then.
    """

    def __init__(self, device: Device, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._on_gpu = device.torch_device.type == "cuda"
        self._seconds = 0.0
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        """The sum so far; waits for the device to finish the calls."""
        with self._lock:
            events, self._events = self._events, []
            for start, end in events:
                end.synchronize()
                self._seconds += start.elapsed_time(end) / 1000
            return self._seconds

    def time(self, function: Callable[[], T]) -> T:
        """Call the function, add the time that it took, and return its result."""
        return self._time_on_gpu(function) if self._on_gpu else self._time_on_cpu(function)

    def _time_on_cpu(self, function: Callable[[], T]) -> T:
        start = self._clock()
        result = function()
        seconds = self._clock() - start
        with self._lock:
            self._seconds += seconds
        return result

    def _time_on_gpu(self, function: Callable[[], T]) -> T:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        result = function()
        end.record()
        with self._lock:
            self._events.append((start, end))
        return result
