"""What the engine runs on, and settings that make it repeat itself to the bit."""

import gc
import logging
import math
import os
import platform
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Generic, TypeVar

import torch

from engine.errors import DeviceBroken, EngineError, Unpaintable

ARITHMETIC: Final = 2
"""Raised by each change of the engine's own that changes bits."""
LITTLE_WORK: Final = 1e10
"""Up to which one thread is quicker than four: on four cores, the starter model (1.4e9) paints 2
rows in a third of the time, and 8 in two thirds."""
HANDS: Final = 8
"""At most: beyond that, they would wait for Python's lock."""
_SHORT: Final = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "status_alloc_failed",
)
"""What torch, cuBLAS and cuDNN say."""
RECORDING: Final = threading.Lock()
"""Held while a CUDA graph is recorded: no thread may empty the allocator's cache meanwhile."""
_own: Final = threading.local()
_peaks: Final[dict[torch.device, int]] = {}
"""Of each device's memory, before a batch was last weighed: that begins to count anew."""
Pass = TypeVar("Pass")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hardware:
    """Where tensors live, how precise they are, and how many threads share the work."""

    device: torch.device
    dtype: torch.dtype
    threads: int
    """That share one forward pass."""
    hands: int = 1
    """Forward passes at the same time."""
    batches: bool = True
    """May pictures share a forward pass? Those of large models may not on a CPU: it would be no
    quicker, and where threads share the work, the slot of a row in its batch changes bits."""

    @property
    def fingerprint(self) -> str:
        """Software and hardware in one line: same line, same recipe, same bits."""
        import diffusers
        import PIL
        import transformers

        parts = [
            f"arithmetic {ARITHMETIC}",
            f"torch {torch.__version__}",
            f"diffusers {diffusers.__version__}",
            f"transformers {transformers.__version__}",
            f"pillow {PIL.__version__}",
            self._device_name(),
            str(self.dtype).removeprefix("torch."),
            f"{self.threads} threads",
        ]
        return ", ".join(parts)

    def suited(self, work: float) -> "Hardware":
        """The same for a model of so much work: parameters times latent pixels of one row.

        A little work is done sooner by one thread than shared between several, and other cores
        can paint other batches meanwhile. Sets torch's threads.
        """
        if self.device.type != "cpu":
            return self
        if work < LITTLE_WORK:
            torch.set_num_threads(1)
            spared = max(self.threads - 1, min(self.threads, 2))  # a core for the rest, if it can
            return replace(self, threads=1, hands=min(HANDS, spared))
        return replace(self, batches=False)

    def send(self, tensor: torch.Tensor) -> torch.Tensor:
        """From the host to the device; on a GPU, without waiting for it."""
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor

    def mark(self) -> "torch.cuda.Event | None":
        """The point that this thread's work on the device has come to."""
        if self.device.type != "cuda":
            return None
        event = torch.cuda.Event()
        event.record()
        return event

    @contextmanager
    def beside(self, mark: "torch.cuda.Event | None") -> Iterator[None]:
        """What is done here does not hold up other threads' work on the device, but begins after
        that mark in theirs."""
        if mark is None:
            yield
            return
        if not hasattr(_own, "stream"):
            _own.stream = torch.cuda.Stream()
        _own.stream.wait_event(mark)
        with torch.cuda.stream(_own.stream):
            yield

    @contextmanager
    def weighed(self, learn: Callable[[int], None]) -> Iterator[None]:
        """Tells how many bytes of the device were taken at most for what is done here, if anybody
        counts them."""
        if self.device.type != "cuda":
            yield
            return
        before = torch.cuda.memory_allocated(self.device)
        _peaks[self.device] = self.peak_memory() or 0
        torch.cuda.reset_peak_memory_stats(self.device)
        yield
        learn(torch.cuda.max_memory_allocated(self.device) - before)

    def memory_left(self) -> int | None:
        """Bytes of the device that can be had; None where nobody counts them."""
        if self.device.type != "cuda":
            return None
        free, _ = torch.cuda.mem_get_info(self.device)
        kept = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return free + kept

    def peak_memory(self) -> int | None:
        """Bytes of the device in use at most, so far; None where nobody counts them."""
        if self.device.type == "cuda":
            since_weighed = torch.cuda.max_memory_allocated(self.device)
            return max(since_weighed, _peaks.get(self.device, 0))
        return None

    def free_memory(self) -> None:
        """Give back what is kept for later use."""
        gc.collect()
        if self.device.type == "cuda":
            with RECORDING:
                _empty_cache()

    def _device_name(self) -> str:
        if self.device.type == "cuda":
            return f"{torch.cuda.get_device_name(self.device)} CUDA {torch.version.cuda}"
        return f"{_processor()} {torch.backends.cpu.get_cpu_capability()}"


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


def prepare() -> Hardware:
    """Pick the device and fix all that could change bits from one run to the next."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":16:8")  # as diffusers' full determinism
    threads = min(torch.get_num_threads(), _cores())
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    if torch.cuda.is_available():
        return Hardware(torch.device("cuda", 0), torch.float16, threads)
    return Hardware(torch.device("cpu"), torch.float32, threads)


def out_of_memory(error: Exception) -> bool:
    """Did this fail for want of memory, so that something smaller may work?"""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in said for words in _SHORT)


def context_lost(error: Exception) -> bool:
    """Is the accelerator's context gone, so that only a fresh process can go on?"""
    said = str(error)
    if out_of_memory(error) or "captur" in said:  # a capture that failed harms nothing else
        return False
    return type(error).__name__ == "AcceleratorError" or "CUDA error" in said


def explained(error: Exception, what: str) -> str:
    """Why `what` went wrong, in words for the person; the log gets the rest.

    Raises DeviceBroken if nothing can go right any more.
    """
    if isinstance(error, Unpaintable):
        return str(error)
    if out_of_memory(error):
        log.warning("%s ran out of memory", what)
        return (
            "The engine ran out of memory for this picture: ask for a smaller size or fewer "
            "pictures at once."
        )
    if context_lost(error):
        raise DeviceBroken(f"The accelerator is lost: {error}") from error
    log.error("%s failed", what, exc_info=error)
    return f"The engine made a mistake ({type(error).__name__}); its log says more."


def unloadable(error: Exception, what: str, broken: Callable[[str], EngineError]) -> EngineError:
    """Why `what` cannot be loaded; if it is to blame itself, `broken` says so with the cause."""
    if out_of_memory(error):
        return EngineError(f"There is too little memory for {what}.")
    if context_lost(error):
        return DeviceBroken(f"The accelerator is lost: {error}")
    said = str(error).strip() or type(error).__name__
    return broken(said.splitlines()[0][:200])


def _empty_cache() -> None:
    try:
        torch.cuda.empty_cache()
    except RuntimeError as error:
        if context_lost(error):
            raise
        # Torch may believe for ever that a recording that failed is still under way.
        log.warning("the device's memory cannot be given back: %s", error)


def resident_memory() -> int | None:
    """Bytes of this process in the machine's memory; None where that is not told so simply."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _cores() -> int:
    """Cores that this process may use: its affinity and its container's share count."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return min(cores, max(1, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # not in a Linux container, or one without a share
        return cores


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
