"""What torch's errors mean: too little memory, a lost device, or neither. What memory was used."""

import threading

import pytest
import torch

from engine.device import Hardware
from engine.device.errors import context_lost, explained, out_of_memory, unloadable
from engine.device.memory import RECORDING
from engine.errors import DeviceBroken, ModelBroken

GPU = Hardware(torch.device("cuda", 0), torch.float16, 1)
"""As if there were one: its counters and its allocator are stood in for."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"
        ),
    ],
    ids=str,
)
def test_too_little_memory(error: Exception) -> None:
    """Something smaller may work, and the device is well."""
    assert out_of_memory(error)
    assert not context_lost(error)
    assert "ran out of memory" in explained(error, "job a")


@pytest.mark.parametrize(
    "said",
    [
        "CUDA error: an illegal memory access was encountered",
        "CUDA error: device-side assert triggered",
        "CUDA error: unspecified launch failure",
    ],
)
def test_a_lost_device(said: str) -> None:
    """Only another process can go on."""
    error = RuntimeError(said)
    assert context_lost(error)
    assert not out_of_memory(error)
    with pytest.raises(DeviceBroken, match="is lost"):
        explained(error, "job a")
    assert isinstance(unloadable(error, "the model", ModelBroken), DeviceBroken)


@pytest.mark.parametrize(
    "said",
    [
        "CUDA error: operation not permitted when stream is capturing",
        "CUDA error: operation failed due to a previous error during capture",
        "expected scalar type Half but found Float",
    ],
)
def test_neither(said: str) -> None:
    """A recording that fails, for one, harms nothing else."""
    error = RuntimeError(said)
    assert not context_lost(error)
    assert not out_of_memory(error)
    assert "made a mistake (RuntimeError)" in explained(error, "job a")
    assert isinstance(unloadable(error, "the model", ModelBroken), ModelBroken)


def test_no_memory_is_given_back_during_a_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's allocator would not stand it, in whatever thread."""
    emptied = threading.Event()
    monkeypatch.setattr(torch.cuda, "empty_cache", emptied.set)
    thread = threading.Thread(target=GPU.free_memory)
    with RECORDING:
        thread.start()
        assert not emptied.wait(0.3)
    assert emptied.wait(20)
    thread.join()


def test_memory_that_cannot_be_given_back_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is the device that is lost."""

    def refuse() -> None:
        raise RuntimeError("captures_underway.empty() INTERNAL ASSERT FAILED")

    def break_down() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch.cuda, "empty_cache", refuse)
    GPU.free_memory()
    monkeypatch.setattr(torch.cuda, "empty_cache", break_down)
    with pytest.raises(RuntimeError, match="illegal"):
        GPU.free_memory()


def test_the_peak_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the counter begins anew whenever a batch is weighed."""
    counted = [500]
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 100)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: counted[0])
    monkeypatch.setattr(
        torch.cuda, "reset_peak_memory_stats", lambda _: counted.__setitem__(0, 100)
    )
    weights: list[int] = []
    with GPU.weighed(weights.append):
        counted[0] = 300
    assert weights == [200]
    assert GPU.peak_memory() == 500
    counted[0] = 600
    assert GPU.peak_memory() == 600
