"""What torch's errors mean: too little memory, a lost device, or neither."""

import pytest
import torch

from engine.exits import DeviceBroken
from engine.hardware import context_lost, explained, out_of_memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
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
