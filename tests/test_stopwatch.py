"""Seconds in the model, added up by many threads."""

import itertools
import threading
import time

import torch

from engine.bench.stopwatch import Stopwatch
from engine.device import Device

DEVICE = Device(torch.device("cpu"), torch.float32, 1)
THREADS, TIMES = 8, 50


class Clock(threading.local):
    """In each thread a second passes whenever it is looked at, and other threads get their turn."""

    def __init__(self) -> None:
        self._seconds = itertools.count()

    def __call__(self) -> float:
        """The seconds of this thread."""
        time.sleep(1e-4)
        return next(self._seconds)


def test_no_second_is_lost_between_threads() -> None:
    """Each adds what it measured to what the others have added meanwhile."""
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


def test_what_is_timed_comes_back() -> None:
    """It is the model's prediction, after all."""
    watch = Stopwatch(DEVICE)
    assert watch.time(lambda: "predicted") == "predicted"
    assert 0 <= watch.seconds < 5
