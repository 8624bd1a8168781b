"""What the engine runs on, and settings that make it repeat itself to the bit."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Final

import torch

from engine.device import memory
from engine.device.sysinfo import cores, processor

ARITHMETIC: Final = 2
"""Raised by each change of the engine's own that changes bits."""
LITTLE_WORK: Final = 1e10
"""Up to which one thread is quicker than four: on four cores, the starter model (1.4e9) paints 2
rows in a third of the time, and 8 in two thirds."""
HANDS: Final = 8
"""At most: beyond that, they would wait for Python's lock."""
_own: Final = threading.local()


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

    def weighed(self, learn: Callable[[int], None]) -> AbstractContextManager[None]:
        """Tells how many bytes of the device were taken at most for what is done here, if anybody
        counts them."""
        return memory.weighed(self.device, learn)

    def memory_left(self) -> int | None:
        """Bytes of the device that can be had; None where nobody counts them."""
        return memory.memory_left(self.device)

    def peak_memory(self) -> int | None:
        """Bytes of the device in use at most, so far; None where nobody counts them."""
        return memory.peak_memory(self.device)

    def free_memory(self) -> None:
        """Give back what is kept for later use."""
        memory.free_memory(self.device)

    def _device_name(self) -> str:
        if self.device.type == "cuda":
            return f"{torch.cuda.get_device_name(self.device)} CUDA {torch.version.cuda}"
        return f"{processor()} {torch.backends.cpu.get_cpu_capability()}"


def prepare() -> Hardware:
    """Pick the device and fix all that could change bits from one run to the next."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic cuBLAS
    threads = min(torch.get_num_threads(), cores())
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    if torch.cuda.is_available():
        return Hardware(torch.device("cuda", 0), torch.float16, threads)
    return Hardware(torch.device("cpu"), torch.float32, threads)
