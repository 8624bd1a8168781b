"""Recognise weights that are not floating-point numbers: packed or quantised ones.

GPTQ, AWQ and bitsandbytes pack weights into integers, with scales in other tensors. As numbers,
such weights are noise.
"""

import math
import re
from collections.abc import Mapping
from typing import Final

from engine.weights.readme import one_line
from engine.weights.unsupported_files import TensorShape

FLOATS: Final = ("F64", "F32", "F16", "BF16")
"""Data types of weights that are not quantised, by their names in safetensors files."""
_INTEGERS: Final = re.compile(r"(?:^|\.)(?:position_ids|num_batches_tracked)$")
"""Names of tensors that are integers in networks too."""
_PACKED: Final = re.compile(
    r"(?:^|\.)(?:qweight|qzeros|scales|wscales|g_idx|absmax|quant_map|SCB|scaled_fp8"
    r"|scale_weight|scale_input|weight_scale(?:_2|_inv)?|input_scale|comfy_quant)$|\.quant_state\."
)
"""Names of what GPTQ, AWQ, bitsandbytes, Nunchaku and ComfyUI store beside packed weights."""
_NAME: Final = re.compile(r"[A-Z0-9_]{1,16}")
_FP8: Final = ("F8_E4M3", "F8_E5M2")
"""Those that are numbers if they have no scales."""


def quantised_tensor(tensors: Mapping[str, TensorShape]) -> str | None:
    """Which tensor says that weights are quantised, as the rest of a sentence about a file or a
    component that "is …"; None if all are floating-point numbers, of 8 bits only without scales.
    """
    packed: str | None = None
    for name, tensor in tensors.items():
        is_float = tensor.dtype in FLOATS or tensor.dtype in _FP8
        is_single = math.prod(tensor.shape) <= 1  # a counter, or an empty mark
        if not (is_float or is_single or _INTEGERS.search(name)):
            dtype = tensor.dtype if _NAME.fullmatch(tensor.dtype) else "of an unknown type"
            return f"quantised ({dtype}), {_reason(name)}"
        if packed is None and _PACKED.search(name):
            packed = f"quantised, {_reason(name)}"
    return packed


def _reason(name: str) -> str:
    return (
        f"which is not supported: the tensor {one_line(name)} is of packed or quantised weights; "
        f"the type of weights must be {', '.join(FLOATS[:-1])} or {FLOATS[-1]}"
    )
