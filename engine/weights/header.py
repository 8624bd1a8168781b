"""Read the header of a safetensors file (https://github.com/huggingface/safetensors#format)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from engine.errors import ModelCorrupt, unreadable
from engine.weights.readme import one_line

MAX_HEADER_BYTES: Final = 100_000_000
"""The limit of the safetensors library."""
_LENGTH_BYTES: Final = 8
_METADATA: Final = "__metadata__"


class Tensor(msgspec.Struct, frozen=True):
    """What the header says about a tensor."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


class Header(msgspec.Struct, frozen=True):
    """The header of a safetensors file."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]


def read_header(path: Path, name: str) -> Header:
    """The header of a safetensors file; `name` is the model's name in error messages.

    Raises ModelCorrupt if it is damaged or the file is shorter than it says, and StorageFailed if
    it cannot be read.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            text = file.read(length) if length <= MAX_HEADER_BYTES else b""
    except OSError as error:
        raise unreadable(f"the model {name}", error) from error
    if size == 0:
        raise ModelCorrupt(f"The file {name} is empty: download it again.")
    if size < _LENGTH_BYTES or not text.startswith(b"{"):
        raise ModelCorrupt(f"The file {name} is not a safetensors file, or it is damaged.")
    if _LENGTH_BYTES + length > size:
        raise _cut_off(name)
    header = _parse(text, name)
    for key, tensor in header.tensors.items():
        _check(key, tensor, name)
    data = size - _LENGTH_BYTES - length
    if any(tensor.data_offsets[1] > data for tensor in header.tensors.values()):
        raise _cut_off(name)
    return header


def _parse(text: bytes, name: str) -> Header:
    try:
        items = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(items.pop(_METADATA, b"{}"), type=dict[str, str] | None)
        tensors = {key: msgspec.json.decode(raw, type=Tensor) for key, raw in items.items()}
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ModelCorrupt(f"The file {name} has a damaged header: {error}") from error
    return Header(tensors, metadata or {})


def _check(key: str, tensor: Tensor, name: str) -> None:
    """Raise ModelCorrupt if a tensor has a negative size or place."""
    begin, end = tensor.data_offsets
    if not 0 <= begin <= end or any(side < 0 for side in tensor.shape):
        raise ModelCorrupt(
            f"The file {name} has a damaged header: the tensor {one_line(key)} has the shape "
            f"{[*tensor.shape]} and the data_offsets {[begin, end]}; these must be whole numbers "
            "from 0, the second offset not below the first one."
        )


def _cut_off(name: str) -> ModelCorrupt:
    return ModelCorrupt(f"The file {name} is cut off: download it again.")
