"""Choose the kind of device: by IMAGINE_DEVICE, else the first that torch offers."""

from collections.abc import Sequence
from typing import Final

import torch

from engine.errors import UsageError

DEVICE_VARIABLE: Final = "IMAGINE_DEVICE"
AUTO: Final = "auto"
"""Stands for the first device that torch offers."""
KINDS: Final = ("cuda", "mps", "xpu", "cpu")
"""The types of torch's devices, the preferred one first. ROCm's GPUs are `cuda` too
(https://docs.pytorch.org/docs/stable/notes/hip.html), Apple's are `mps`, Intel's `xpu`."""
ROCM: Final = "rocm"
"""Another name for `cuda`, with a torch for ROCm."""


def offered_kinds() -> tuple[str, ...]:
    """The kinds of devices that torch offers on this machine, the preferred one first."""
    offered = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "xpu": torch.xpu.is_available(),
        "cpu": True,
    }
    return tuple(kind for kind in KINDS if offered[kind])


def choose_kind(name: str, offered: Sequence[str], *, is_rocm: bool) -> str:
    """The kind of device of this name, one of those in `offered`.

    `is_rocm` is whether torch's `cuda` is ROCm. Raises UsageError, with a sentence for the
    operator, for an unknown name and for a device that is not offered.
    """
    chosen = name.strip().lower() or AUTO
    if chosen == AUTO:
        return offered[0]
    names = (AUTO, *KINDS, ROCM)
    if chosen not in names:
        raise UsageError(
            f"{DEVICE_VARIABLE} is {name.strip()[:50]}; it must be one of {', '.join(names)}."
        )
    kind = "cuda" if chosen == ROCM else chosen
    if kind not in offered or (chosen == ROCM and not is_rocm):
        raise UsageError(
            f"{DEVICE_VARIABLE} is {chosen}, but the torch that is installed offers no such device "
            f"on this machine; it offers {', '.join(offered)}."
        )
    return kind
