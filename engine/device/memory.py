"""The memory of a device: peak, free memory, and emptying the allocator's cache."""

import gc
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import torch

from engine.device.errors import is_device_lost

CAPTURE_LOCK: Final = threading.Lock()
"""Held while a CUDA graph is captured, because no thread may empty the allocator's cache then."""
_earlier_peaks: Final[dict[torch.device, int]] = {}
"""Peak of each device in bytes until its counter was last reset."""
log = logging.getLogger(__name__)


@contextmanager
def measure_peak(device: torch.device, learn: Callable[[int], None]) -> Iterator[None]:
    """Call `learn` with the peak of the bytes that the block allocates; never without CUDA."""
    if device.type != "cuda":
        yield
        return
    before = torch.cuda.memory_allocated(device)
    _earlier_peaks[device] = peak_memory(device) or 0
    torch.cuda.reset_peak_memory_stats(device)
    yield
    learn(torch.cuda.max_memory_allocated(device) - before)


def available_memory(device: torch.device) -> int | None:
    """Free device memory in bytes, including the allocator's cache; None without CUDA."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    cache_bytes = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return free + cache_bytes


def peak_memory(device: torch.device) -> int | None:
    """Peak of the allocated device memory so far, in bytes; None without CUDA."""
    if device.type == "cuda":
        since_reset = torch.cuda.max_memory_allocated(device)
        return max(since_reset, _earlier_peaks.get(device, 0))
    return None


def empty_cache(device: torch.device) -> None:
    """Collect garbage and return the allocator's unused memory to the device."""
    gc.collect()
    trim_cache(device)


def trim_cache(device: torch.device) -> None:
    """Return the allocator's unused memory to the device, without collecting garbage."""
    match device.type:
        case "cuda":
            with CAPTURE_LOCK:
                _empty_cuda_cache()
        case "mps":
            torch.mps.empty_cache()
        case "xpu":
            torch.xpu.empty_cache()


def _empty_cuda_cache() -> None:
    try:
        torch.cuda.empty_cache()
    except RuntimeError as error:
        if is_device_lost(error):
            raise
        # After a failed capture, torch may permanently report that one is in progress.
        log.warning("cannot empty the cache of the device's memory: %s", error)
