"""The choice of a device, the classification of torch's errors, and the device's memory."""

import re

import pytest
import torch

from engine.device import Device, select_device
from engine.device.choice import choose_kind, offered_kinds
from engine.device.errors import describe_failure, is_device_lost, is_out_of_memory, load_failure
from engine.device.memory import CAPTURE_LOCK
from engine.errors import DeviceLost, ModelCorrupt, UsageError

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
        RuntimeError("Triton Error [CUDA]: out of memory"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("Exception from src/core/src/runtime/allocator.cpp:79:\nstd::bad_alloc"),
        RuntimeError("Check 'ptr' failed at cpu_memory.cpp:257:\nFailed to allocate 64 bytes"),
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
        "HIP error: the operation cannot be performed in the present state",
        "Triton Error [CUDA]: an illegal memory access was encountered",
        "Triton Error [HIP]: unspecified launch failure",
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


@pytest.mark.parametrize(
    ("name", "offered", "is_rocm", "kind"),
    [
        ("", ["cuda", "cpu"], False, "cuda"),
        ("auto", ["mps", "cpu"], False, "mps"),
        (" CPU ", ["cuda", "cpu"], False, "cpu"),
        ("cuda", ["cuda", "cpu"], True, "cuda"),
        ("rocm", ["cuda", "cpu"], True, "cuda"),
        ("xpu", ["xpu", "cpu"], False, "xpu"),
    ],
)
def test_the_kind_of_device_is_chosen(
    name: str, offered: list[str], is_rocm: bool, kind: str
) -> None:
    """By its name, else the first that torch offers."""
    assert choose_kind(name, offered, is_rocm=is_rocm) == kind


@pytest.mark.parametrize(
    ("name", "is_rocm", "sentence"),
    [
        (
            "metal",
            False,
            "IMAGINE_DEVICE is metal; it must be one of auto, cuda, mps, xpu, cpu, rocm.",
        ),
        (
            "mps",
            False,
            "IMAGINE_DEVICE is mps, but the torch that is installed offers no such device on this "
            "machine; it offers cuda, cpu.",
        ),
        ("rocm", False, "IMAGINE_DEVICE is rocm, but the torch"),
    ],
)
def test_a_device_that_there_is_not_is_refused(name: str, is_rocm: bool, sentence: str) -> None:
    """The sentence says what there is."""
    with pytest.raises(UsageError, match=f"^{re.escape(sentence)}"):
        choose_kind(name, ["cuda", "cpu"], is_rocm=is_rocm)


def test_the_setting_chooses_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch offers a CPU everywhere."""
    monkeypatch.setenv("IMAGINE_DEVICE", "cpu")
    device = select_device()
    assert (device.torch_device.type, device.dtype) == ("cpu", torch.float32)
    assert "cpu" in offered_kinds()


def test_a_device_without_an_allocator_of_its_own_has_no_memory_figures() -> None:
    """Such as Apple's, whose memory is the host's: models are not moved, and all of it is tried."""
    device = Device(torch.device("meta"), torch.float16, 1)
    assert device.available_memory() is None
    assert device.peak_memory() is None
    assert device.record_event() is None
    assert device.to_device(torch.ones(2)).device.type == "meta"
    device.synchronize()
    device.empty_cache()


def test_tensors_of_a_cpu_are_not_copied() -> None:
    """They are on the device already."""
    tensor = torch.ones(2)
    assert Device(torch.device("cpu"), torch.float32, 1).to_device(tensor) is tensor


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
