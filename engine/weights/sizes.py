"""How large weights are, by the headers of their files."""

import math
from collections.abc import Iterable
from pathlib import Path

from safetensors import safe_open


def count_weights(files: Iterable[Path]) -> int:
    """The number of weights in these files. Raises SafetensorError or OSError for damaged files."""
    total = 0
    for path in files:
        with safe_open(path, framework="np") as file:
            total += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 - the file itself is not iterable
    return total
