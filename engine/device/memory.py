"""The memory of a device: what is used, what is left, and giving it back."""

import gc
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import torch

from engine.device.errors import context_lost

RECORDING: Final = threading.Lock()
"""Held while a CUDA graph is recorded: no thread may empty the allocator's cache meanwhile."""
_peaks: Final[dict[torch.device, int]] = {}
"""Of each device's memory, before a batch was last weighed: that begins to count anew."""
log = logging.getLogger(__name__)


@contextmanager
def weighed(device: torch.device, learn: Callable[[int], None]) -> Iterator[None]:
    """Tells how many bytes of the device were taken at most for what is done here, if anybody
    counts them."""
    if device.type != "cuda":
        yield
        return
    before = torch.cuda.memory_allocated(device)
    _peaks[device] = peak_memory(device) or 0
    torch.cuda.reset_peak_memory_stats(device)
    yield
    learn(torch.cuda.max_memory_allocated(device) - before)


def memory_left(device: torch.device) -> int | None:
    """Bytes of the device that can be had; None where nobody counts them."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return free + kept


def peak_memory(device: torch.device) -> int | None:
    """Bytes of the device in use at most, so far; None where nobody counts them."""
    if device.type == "cuda":
        since_weighed = torch.cuda.max_memory_allocated(device)
        return max(since_weighed, _peaks.get(device, 0))
    return None


def free_memory(device: torch.device) -> None:
    """Give back what is kept for later use."""
    gc.collect()
    if device.type == "cuda":
        with RECORDING:
            _empty_cache()


def _empty_cache() -> None:
    try:
        torch.cuda.empty_cache()
    except RuntimeError as error:
        if context_lost(error):
            raise
        # Torch may believe for ever that a recording that failed is still under way.
        log.warning("the device's memory cannot be given back: %s", error)
