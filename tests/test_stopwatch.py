"""The time spent in the model, summed over threads."""

import itertools
import threading
import time

import torch

from engine.bench.stopwatch import Stopwatch
from engine.device import Device

DEVICE = Device(torch.device("cpu"), torch.float32, 1)
THREADS, TIMES = 8, 50


class Clock(threading.local):
    """A clock that advances by one second per call and thread, and lets other threads run."""

    def __init__(self) -> None:
        self._seconds = itertools.count()

    def __call__(self) -> float:
        """The seconds of the calling thread."""
        time.sleep(1e-4)
        return next(self._seconds)


def test_the_times_of_all_threads_are_added() -> None:
    """No update is lost."""
    watch = Stopwatch(DEVICE, Clock())

    def repeat() -> None:
        for _ in range(TIMES):
            watch.time(lambda: None)

    threads = [threading.Thread(target=repeat) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watch.seconds == THREADS * TIMES


def test_the_result_of_the_call_is_returned() -> None:
    """The time of the call is added."""
    watch = Stopwatch(DEVICE)
    assert watch.time(lambda: "predicted") == "predicted"
    assert 0 <= watch.seconds < 5
