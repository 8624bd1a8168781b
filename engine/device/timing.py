"""How long forward passes take, with one of them always ahead on the device."""

import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import torch

from engine.device import Hardware

Pass = TypeVar("Pass")


class Pace(Generic[Pass]):
    """Keeps the host one forward pass ahead of the device: it never waits for work, and what is
    cancelled is never far ahead. It also measures what each pass took, on the device itself."""

    def __init__(self, hardware: Hardware) -> None:
        self._hardware = hardware
        self._ahead: deque[tuple[Pass, torch.cuda.Event, torch.cuda.Event]] = deque()

    def run(self, which: Pass, work: Callable[[], None]) -> list[tuple[Pass, float]]:
        """Do the work of this pass, or have the device begin it. Returns the passes whose end is
        known by now, with the seconds that each took."""
        if self._hardware.device.type == "cuda":
            return self._run_ahead(which, work)
        since = time.monotonic()
        work()
        return [(which, time.monotonic() - since)]

    def _run_ahead(self, which: Pass, work: Callable[[], None]) -> list[tuple[Pass, float]]:
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        began.record()
        work()
        ended.record()
        self._ahead.append((which, began, ended))
        if len(self._ahead) == 1:
            return []
        known, began, ended = self._ahead.popleft()
        ended.synchronize()
        return [(known, began.elapsed_time(ended) / 1000)]
