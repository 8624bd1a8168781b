"""The device that the engine computes on, and the settings that make its results repeatable."""

import importlib.util
import os
import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Final

import torch

from engine.contract import Backend
from engine.device import fused_kernels, memory
from engine.device.choice import DEVICE_VARIABLE, choose_kind, offered_kinds
from engine.device.sysinfo import available_cores, processor_name
from engine.errors import UsageError

NUMERICS_VERSION: Final = 2
"""Part of the fingerprint; incremented when a change of the engine changes the bits of its results.
"""
CUDA_NUMERICS_VERSION: Final = 3
"""The same for CUDA."""
SINGLE_THREAD_MAX_WORK: Final = 1e10
"""Models whose parameters times latent pixels of a row are below this are faster with one thread
than with four. Measured on four cores: the starter model (1.4e9) takes a third of the time for 2
rows and two thirds for 8."""
MAX_CONCURRENT: Final = 8
"""Maximum number of concurrent forward passes; more would wait for the GIL."""
_thread_local: Final = threading.local()


@dataclass(frozen=True)
class Device:
    """A torch device, the dtype of the weights, and how threads share the work."""

    torch_device: torch.device
    dtype: torch.dtype
    threads: int
    """Number of threads of one forward pass."""
    max_concurrent_batches: int = 1
    """Number of concurrent forward passes."""
    can_batch: bool = True
    """False for large models on a CPU: batches are no faster there, and since several threads share
    a forward pass, the bits of a row would depend on its slot in the batch."""
    single_thread_max_work: float = SINGLE_THREAD_MAX_WORK
    """Models whose work is below this run with one thread on a CPU."""
    backends: tuple[Backend, ...] = (Backend.TORCH,)
    """What may run networks here, the preferred one first."""
    has_fused_kernels: bool = False
    """Whether `fused_kernels` may be used in this dtype."""

    @property
    def fingerprint(self) -> str:
        """Software and hardware in one line. Equal recipes and fingerprints give equal bits."""
        import diffusers
        import PIL
        import transformers

        parts = [
            f"arithmetic {self._numerics_version}",
            f"torch {torch.__version__}",
            f"diffusers {diffusers.__version__}",
            f"transformers {transformers.__version__}",
            f"pillow {PIL.__version__}",
            self._name(),
            str(self.dtype).removeprefix("torch."),
            f"{self.threads} threads",
        ]
        if self.has_fused_kernels:
            parts.append(fused_kernels.fingerprint())
        return ", ".join(parts)

    def for_model(self, work: float) -> "Device":
        """This device with the number of threads for a model; also sets torch's number of threads.

        `work` is the model's parameters times the latent pixels of one row. On a CPU, small models
        run single-threaded, in several batches at the same time.
        """
        if self.torch_device.type != "cpu":
            return self
        if work < self.single_thread_max_work:
            torch.set_num_threads(1)
            # One core is left for the rest of the system, except on two cores.
            workers = max(self.threads - 1, min(self.threads, 2))
            return replace(self, threads=1, max_concurrent_batches=min(MAX_CONCURRENT, workers))
        torch.set_num_threads(self.threads)  # a model with one thread may be loaded already
        return replace(self, can_batch=False)

    def in_dtype(self, dtype: torch.dtype) -> "Device":
        """This device with weights of another dtype, in which the fused kernels are tried too."""
        has_fused_kernels = self.has_fused_kernels and fused_kernels.work_on(
            self.torch_device, dtype
        )
        return replace(self, dtype=dtype, has_fused_kernels=has_fused_kernels)

    @property
    def decoder_threads(self) -> int:
        """Number of threads that decode pictures; 0 if this is done where they are checked."""
        if self.torch_device.type == "cuda":
            return 1  # two pictures at a time would need the memory of both
        return self.max_concurrent_batches if self.max_concurrent_batches > 1 else 0

    def to_device(self, tensor: torch.Tensor) -> torch.Tensor:
        """Copy a tensor from the host to the device; on CUDA the copy is asynchronous."""
        if self.torch_device.type == "cuda":
            return tensor.pin_memory().to(self.torch_device, non_blocking=True)
        return tensor.to(self.torch_device)  # on a CPU, the tensor itself

    def to_host(self, tensor: torch.Tensor) -> torch.Tensor:
        """Copy a tensor of the device to the host; on CUDA into pinned memory, from which it can be
        copied back faster."""
        host = torch.empty_like(tensor, device="cpu", pin_memory=self.torch_device.type == "cuda")
        return host.copy_(tensor)

    def synchronize(self) -> None:
        """Wait until all work that was queued on the device is done."""
        match self.torch_device.type:
            case "cuda":
                torch.cuda.synchronize(self.torch_device)
            case "mps":
                torch.mps.synchronize()
            case "xpu":
                torch.xpu.synchronize(self.torch_device)

    def record_event(self) -> "torch.cuda.Event | None":
        """Record an event in the current CUDA stream; None without CUDA."""
        if self.torch_device.type != "cuda":
            return None
        event = torch.cuda.Event()
        event.record()
        return event

    @contextmanager
    def side_stream(self, event: "torch.cuda.Event | None") -> Iterator[None]:
        """Run the block in a CUDA stream of this thread, after the event; without one if None."""
        if event is None:
            yield
            return
        if not hasattr(_thread_local, "stream"):
            _thread_local.stream = torch.cuda.Stream()
        _thread_local.stream.wait_event(event)
        with torch.cuda.stream(_thread_local.stream):
            yield

    def measure_peak(self, learn: Callable[[int], None]) -> AbstractContextManager[None]:
        """Call `learn` with the peak of the bytes that the block allocates; never without CUDA."""
        return memory.measure_peak(self.torch_device, learn)

    def available_memory(self) -> int | None:
        """Free device memory in bytes, including the allocator's cache; None without CUDA."""
        return memory.available_memory(self.torch_device)

    def peak_memory(self) -> int | None:
        """Peak of the allocated device memory so far, in bytes; None without CUDA."""
        return memory.peak_memory(self.torch_device)

    def empty_cache(self) -> None:
        """Collect garbage and return the allocator's unused memory to the device."""
        memory.empty_cache(self.torch_device)

    def trim_cache(self) -> None:
        """Return the allocator's unused memory to the device, without collecting garbage."""
        memory.trim_cache(self.torch_device)

    @property
    def _numerics_version(self) -> int:
        return CUDA_NUMERICS_VERSION if self.torch_device.type == "cuda" else NUMERICS_VERSION

    def _name(self) -> str:
        match self.torch_device.type:
            case "cuda" if torch.version.hip:
                return f"{torch.cuda.get_device_name(self.torch_device)} ROCm {torch.version.hip}"
            case "cuda":
                return f"{torch.cuda.get_device_name(self.torch_device)} CUDA {torch.version.cuda}"
            case "mps":
                return f"{processor_name()} Metal, macOS {platform.mac_ver()[0]}"
            case "xpu":
                return f"{torch.xpu.get_device_name(self.torch_device)} XPU"
        return f"{processor_name()} {torch.backends.cpu.get_cpu_capability()}"


def select_device() -> Device:
    """The device that IMAGINE_DEVICE names, else the first of CUDA or ROCm, Apple's GPU, Intel's
    GPU, and the CPU. Sets torch to deterministic kernels. On CUDA, convolutions
    in float32, which are those of SDXL's decoder, use TF32, as in torch's and diffusers' defaults.

    Raises UsageError, with a sentence for the operator.
    """
    kind = choose_kind(
        os.environ.get(DEVICE_VARIABLE, ""), offered_kinds(), is_rocm=torch.version.hip is not None
    )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic cuBLAS
    threads = min(torch.get_num_threads(), available_cores())
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cuda.matmul.allow_tf32 = False
    if kind == "cpu":
        return Device(torch.device("cpu"), torch.float32, threads, backends=_cpu_backends())
    device = Device(torch.device(kind, 0), torch.float16, threads)
    has_fused_kernels = fused_kernels.work_on(device.torch_device, device.dtype)
    return replace(device, has_fused_kernels=has_fused_kernels)


def _cpu_backends() -> tuple[Backend, ...]:
    """Those that are installed; torch alone if IMAGINE_CPU_BACKEND says so. Raises UsageError."""
    chosen = os.environ.get("IMAGINE_CPU_BACKEND") or Backend.OPENVINO
    if chosen not in list(Backend):
        raise UsageError(
            f"IMAGINE_CPU_BACKEND is {chosen!r}; it must be one of: {', '.join(Backend)}."
        )
    if chosen == Backend.TORCH or importlib.util.find_spec("openvino") is None:
        return (Backend.TORCH,)
    if chosen == Backend.OPENVINO_BF16:
        return Backend.OPENVINO_BF16, Backend.OPENVINO, Backend.TORCH
    return Backend.OPENVINO, Backend.TORCH
