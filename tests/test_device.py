"""The classification of torch's errors, and the measurement of device memory."""

import pytest
import torch

from engine.device import Device
from engine.device.errors import describe_failure, is_device_lost, is_out_of_memory, load_failure
from engine.device.memory import CAPTURE_LOCK
from engine.errors import DeviceLost, ModelCorrupt

GPU = Device(torch.device("cuda", 0), torch.float16, 1)
"""Without a real GPU: the tests replace torch's counters and allocator."""


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
def test_out_of_memory_is_no_lost_device(error: Exception) -> None:
    """A smaller image may succeed, which the sentence for the user says."""
    assert is_out_of_memory(error)
    assert not is_device_lost(error)
    assert "ran out of memory" in describe_failure(error, "job a")


@pytest.mark.parametrize(
    "message",
    [
        "CUDA error: an illegal memory access was encountered",
        "CUDA error: device-side assert triggered",
        "CUDA error: unspecified launch failure",
    ],
)
def test_a_cuda_error_is_a_lost_device(message: str) -> None:
    """It is raised as DeviceLost, because only a new process can use the device."""
    error = RuntimeError(message)
    assert is_device_lost(error)
    assert not is_out_of_memory(error)
    with pytest.raises(DeviceLost, match="is lost"):
        describe_failure(error, "job a")
    assert isinstance(load_failure(error, "the model", ModelCorrupt), DeviceLost)


@pytest.mark.parametrize(
    "message",
    [
        "CUDA error: operation not permitted when stream is capturing",
        "CUDA error: operation failed due to a previous error during capture",
        "expected scalar type Half but found Float",
    ],
)
def test_other_errors_leave_the_device_usable(message: str) -> None:
    """One of them is a failed capture, after which the device and its memory are intact."""
    error = RuntimeError(message)
    assert not is_device_lost(error)
    assert not is_out_of_memory(error)
    assert "The engine failed (RuntimeError)" in describe_failure(error, "job a")
    assert isinstance(load_failure(error, "the model", ModelCorrupt), ModelCorrupt)


def test_the_cache_is_not_emptied_during_a_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    """`empty_cache` holds the lock of a capture, which would otherwise fail."""
    has_lock: list[bool] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: has_lock.append(CAPTURE_LOCK.locked()))
    GPU.empty_cache()
    assert has_lock == [True]
    assert not CAPTURE_LOCK.locked()


def test_a_cache_that_cannot_be_emptied_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """`empty_cache` raises only if the device is lost."""

    def refuse() -> None:
        raise RuntimeError("captures_underway.empty() INTERNAL ASSERT FAILED")

    def lose_device() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch.cuda, "empty_cache", refuse)
    GPU.empty_cache()
    monkeypatch.setattr(torch.cuda, "empty_cache", lose_device)
    with pytest.raises(RuntimeError, match="illegal"):
        GPU.empty_cache()


def test_the_peak_survives_a_reset_of_the_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring a block resets torch's counter, but not the overall peak."""
    counter = [500]
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 100)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: counter[0])
    monkeypatch.setattr(
        torch.cuda, "reset_peak_memory_stats", lambda _: counter.__setitem__(0, 100)
    )
    peaks: list[int] = []
    with GPU.measure_peak(peaks.append):
        counter[0] = 300
    assert peaks == [200]
    assert GPU.peak_memory() == 500
    counter[0] = 600
    assert GPU.peak_memory() == 600
