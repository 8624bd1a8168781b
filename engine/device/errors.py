"""Classify the errors of torch: out of memory, device lost, or another error."""

import logging
from collections.abc import Callable
from typing import Final

import torch

from engine.errors import (
    DeviceLost,
    EngineError,
    InvalidJob,
    first_line,
    storage_error,
    unreadable,
)

_OOM_MESSAGES: Final = (
    "out of memory",
    "can't alloc",
    "failed to allocate",
    "bad_alloc",
    "not enough memory",
    "status_alloc_failed",
)
"""Parts of messages of torch, cuBLAS, cuDNN and OpenVINO, in lower case."""
_ACCELERATOR_MESSAGES: Final = (
    "CUDA error",
    "HIP error",
    "Triton Error [CUDA]",
    "Triton Error [HIP]",
)
"""Parts of messages of torch and Triton."""
log = logging.getLogger(__name__)


def is_out_of_memory(error: Exception) -> bool:
    """Whether the cause is a lack of memory, so that a smaller batch or image may succeed."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    message = str(error).lower()
    return isinstance(error, RuntimeError) and any(part in message for part in _OOM_MESSAGES)


def is_device_lost(error: Exception) -> bool:
    """Whether the context of CUDA or ROCm is unusable, so that only a new process can use the
    device."""
    message = str(error)
    if is_out_of_memory(error) or "captur" in message:  # a failed capture leaves the context intact
        return False
    is_accelerator_error = type(error).__name__ == "AcceleratorError"
    return is_accelerator_error or any(part in message for part in _ACCELERATOR_MESSAGES)


def describe_failure(error: Exception, subject: str) -> str:
    """The reason why `subject` failed, as a sentence for the user; logs the details.

    Raises DeviceLost if the device is lost.
    """
    if isinstance(error, InvalidJob):
        return str(error)
    if is_out_of_memory(error):
        log.warning("%s ran out of memory", subject)
        return (
            "The engine ran out of memory for this picture: ask for a smaller size or fewer "
            "pictures at once."
        )
    if is_device_lost(error):
        raise DeviceLost(f"The accelerator is lost: {error}") from error
    log.error("%s failed", subject, exc_info=error)
    return f"The engine failed ({type(error).__name__}); its log has the details."


def load_failure(
    error: Exception, subject: str, corrupt_error: Callable[[str], EngineError]
) -> EngineError:
    """The error to raise when `subject` cannot be loaded because of `error`.

    Unless memory or the device is the cause, it is what `corrupt_error` returns for the first line
    of the message.
    """
    if is_out_of_memory(error):
        return EngineError(f"There is too little memory for {subject}.")
    if is_device_lost(error):
        return DeviceLost(f"The accelerator is lost: {error}")
    if isinstance(error, OSError) and storage_error(error) is not None:
        return unreadable(subject, error)
    return corrupt_error(first_line(error))
