"""How large weights are, by the headers of their files."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from safetensors import safe_open

_AVERAGED: Final = "model_ema."
"""The prefix of averaged weights in checkpoints that can be trained further."""


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
