"""How large weights are, by the headers of their files."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from safetensors import safe_open

from engine.weights import gguf
from engine.weights.model_files import ModelFiles

_INTEGER_BYTES: Final = {
    **{"BOOL": 1, "I8": 1, "U8": 1, "I16": 2, "U16": 2},
    **{"I32": 4, "U32": 4, "I64": 8, "U64": 8},
}
Names = frozenset[str]


def _is_any(component: str) -> bool:
    return True


def loaded_bytes(
    files: ModelFiles, itemsize: int, is_counted: Callable[[str], bool] = _is_any
) -> int:
    """The bytes of a model's weights in memory, if floats are loaded with `itemsize` bytes, of the
    components for which `is_counted` is true.

    Raises SafetensorError or OSError for damaged files.
    """
    return sum(
        tensor_bytes(path, itemsize, names)
        for component, path, names in _weights(files)
        if is_counted(component)
    )


def tensor_bytes(path: Path, itemsize: int, names: Names | None = None) -> int:
    """The bytes in memory of the tensors of these names in a file, or of all.

    Integers, such as packed quantised weights, stay as they are, but those of GGUF become floats.
    Raises SafetensorError, OSError or ModelCorrupt for damaged files.
    """
    if path.suffix.lower() == gguf.SUFFIX:
        header = gguf.read_gguf(path, path.name)
        shapes = (header[name].shape for name in (header if names is None else names))
        return itemsize * sum(math.prod(shape) for shape in shapes)
    with safe_open(path, framework="np") as file:
        tensors = map(file.get_slice, file.keys() if names is None else names)
        return sum(
            math.prod(tensor.get_shape()) * _INTEGER_BYTES.get(tensor.get_dtype(), itemsize)
            for tensor in tensors
        )


def _weights(files: ModelFiles) -> Iterator[tuple[str, Path, Names | None]]:
    """The components of a model, with the files that have their weights; of a checkpoint's file,
    which has several, with the names of the tensors."""
    checkpoint = files.checkpoint
    if checkpoint is not None:
        for component, members in checkpoint.components.items():
            yield component, checkpoint.path, frozenset(members.values())
    for path in files.weight_files:
        if checkpoint is None or path != checkpoint.path:
            yield path.parent.name, path, None
