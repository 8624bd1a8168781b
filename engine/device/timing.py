"""Measure the time of forward passes while the next one is already queued on the device."""

import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import torch

from engine.device import Device

Pass = TypeVar("Pass")


class OverlapTimer(Generic[Pass]):
    """Keeps one forward pass queued on the device, and measures the time of each pass there.

    The device does not wait for the host, and a cancelled request has at most one queued pass.
    """

    def __init__(self, device: Device, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` measures passes without CUDA, which measures its own."""
        self._device = device
        self._clock = clock
        self._queued: deque[tuple[Pass, torch.cuda.Event, torch.cuda.Event]] = deque()

    def run(self, forward_pass: Pass, work: Callable[[], None]) -> list[tuple[Pass, float]]:
        """Run the work of a pass; on CUDA it is only queued.

        Returns the passes that have ended since the last call, each with its seconds.
        """
        if self._device.torch_device.type == "cuda":
            return self._run_ahead(forward_pass, work)
        start = self._clock()
        work()
        self._device.synchronize()
        return [(forward_pass, self._clock() - start)]

    def _run_ahead(self, forward_pass: Pass, work: Callable[[], None]) -> list[tuple[Pass, float]]:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        self._queued.append((forward_pass, start, end))
        if len(self._queued) == 1:
            return []
        completed, start, end = self._queued.popleft()
        end.synchronize()
        return [(completed, start.elapsed_time(end) / 1000)]
