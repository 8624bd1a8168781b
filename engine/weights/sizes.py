"""How large weights are, by the headers of their files."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from safetensors import safe_open

_AVERAGED: Final = "model_ema."
"""The prefix of averaged weights in checkpoints that can be trained further."""
_INTEGER_BYTES: Final = {
    **{"BOOL": 1, "I8": 1, "U8": 1, "I16": 2, "U16": 2},
    **{"I32": 4, "U32": 4, "I64": 8, "U64": 8},
}


def count_weights(files: Iterable[Path]) -> int:
    """The number of weights in these files, without averaged ones, which are not loaded.

    Raises SafetensorError or OSError for damaged files.
    """
    total = 0
    for path in files:
        with safe_open(path, framework="np") as file:
            names = [name for name in file.keys() if not name.startswith(_AVERAGED)]  # noqa: SIM118 - the file itself is not iterable
            total += sum(math.prod(file.get_slice(name).get_shape()) for name in names)
    return total


def loaded_bytes(files: Iterable[Path], itemsize: int) -> int:
    """The bytes of these files' weights in memory, if floats are loaded with `itemsize` bytes.

    Integers, such as packed quantised weights, stay as they are. Raises SafetensorError or OSError
    for damaged files.
    """
    total = 0
    for path in files:
        with safe_open(path, framework="np") as file:
            names = [name for name in file.keys() if not name.startswith(_AVERAGED)]  # noqa: SIM118 - the file itself is not iterable
            for tensor in map(file.get_slice, names):
                each = _INTEGER_BYTES.get(tensor.get_dtype(), itemsize)
                total += math.prod(tensor.get_shape()) * each
    return total
