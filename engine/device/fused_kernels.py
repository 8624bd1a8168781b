"""Whether the Triton kernels of `triton_kernels` work on a device."""

import importlib.util
import logging
from typing import Final

import torch
from torch.nn import functional as F

VERSION: Final = 1
"""Part of the fingerprint; incremented when a change of the kernels changes the bits of pictures.
"""
TOLERANCE: Final = {torch.float16: 0.02, torch.bfloat16: 0.16}
"""Largest difference from torch's results, which are of the order of 1 and rounded more often."""
log = logging.getLogger(__name__)


def fingerprint() -> str:
    """Their part of the fingerprint of pictures. Only where they work: it needs Triton."""
    import triton

    return f"fused kernels {VERSION}, triton {triton.__version__}"


def work_on(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the kernels are installed and give the results of torch's operations in this
    precision (a key of TOLERANCE), up to rounding; a line is logged if not."""
    if device.type != "cuda":
        return False
    if importlib.util.find_spec("triton") is None:
        log.info("without the package triton, networks take up to 1.5 times as long")
        return False
    try:
        difference = largest_difference(device, dtype)
    except Exception as error:  # whatever the compiler or the driver raises, torch's work
        log.warning("the fused kernels do not run here; torch's are used", exc_info=error)
        return False
    if difference <= TOLERANCE[dtype]:
        return True
    log.warning("the fused kernels differ by %g from torch's, which are used", difference)
    return False


@torch.inference_mode()
def largest_difference(device: torch.device, dtype: torch.dtype) -> float:
    """Between results of the kernels and of torch, for random numbers in this precision; NaN if
    there is one among the results.

    Raises whatever Triton raises.
    """
    from engine.device import triton_kernels

    generator = torch.Generator("cpu").manual_seed(3)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).to(device, dtype)

    x = random(2, 96, 20, 12).contiguous(memory_format=torch.channels_last)
    norm = torch.nn.GroupNorm(8, 96).to(device, dtype)
    added, projected = random(2, 96), random(2, 5, 160)
    expected = F.silu(norm(x + added[:, :, None, None]))
    values, gate = projected.chunk(2, dim=-1)
    differences = (
        triton_kernels.group_norm(x, norm, added, silu=True) - expected,
        triton_kernels.geglu(projected) - values * F.gelu(gate),
    )
    # not Python's max, which may pass over NaN
    return float(torch.stack([difference.abs().max() for difference in differences]).max())
