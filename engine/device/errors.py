"""What torch's errors mean: too little memory, a lost device, or neither."""

import logging
from collections.abc import Callable
from typing import Final

import torch

from engine.errors import DeviceBroken, EngineError, Unpaintable

_SHORT: Final = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "status_alloc_failed",
)
"""What torch, cuBLAS and cuDNN say."""
log = logging.getLogger(__name__)


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
