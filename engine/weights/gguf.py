"""Read the header of a GGUF file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).

Such files have the transformer of a model, with weights that are quantised in blocks. The limits
here keep a damaged header from taking long.
"""

import math
import mmap
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from engine.errors import ModelCorrupt, unreadable
from engine.weights.header import Header, Tensor
from engine.weights.readme import one_line

SUFFIX: Final = ".gguf"
_MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
_MAX_HEADER_BYTES: Final = 16 * 1024 * 1024
_MAX_DIMENSIONS: Final = 4
_ALIGNMENT: Final = 32
"""Of the data, if the metadata does not say it."""
_STRING: Final = 8
_ARRAY: Final = 9
_INTEGERS: Final = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 10: "<Q", 11: "<q"}
_OTHERS: Final = {6: "<f", 7: "<?", 12: "<d"}
"""The formats of values by their types."""
_ORIGINAL_SHAPE: Final = "comfy.gguf.orig_shape."
"""Before the name of a tensor with more dimensions than the program that wrote the file keeps."""


class GgufType(NamedTuple):
    """How the numbers of a tensor are stored."""

    name: str
    block: int
    """Numbers in a block."""
    block_bytes: int


TYPES: Final = {
    0: GgufType("F32", 1, 4),
    1: GgufType("F16", 1, 2),
    2: GgufType("Q4_0", 32, 18),
    3: GgufType("Q4_1", 32, 20),
    6: GgufType("Q5_0", 32, 22),
    7: GgufType("Q5_1", 32, 24),
    8: GgufType("Q8_0", 32, 34),
    10: GgufType("Q2_K", 256, 84),
    11: GgufType("Q3_K", 256, 110),
    12: GgufType("Q4_K", 256, 144),
    13: GgufType("Q5_K", 256, 176),
    14: GgufType("Q6_K", 256, 210),
    30: GgufType("BF16", 1, 2),
}
"""Those that diffusers reads, by their numbers in files."""


class GgufTensor(msgspec.Struct, frozen=True):
    """What the header says about a tensor."""

    type: int
    """A key of TYPES."""
    stored_shape: tuple[int, ...]
    shape: tuple[int, ...]
    start: int
    """Of its data in the file."""
    bytes: int


def read_gguf(path: Path, name: str) -> dict[str, GgufTensor]:
    """The tensors of a GGUF file; `name` is the model's name in error messages.

    Raises ModelCorrupt if the file is damaged or has weights of a type that is not supported, and
    StorageFailed if it cannot be read.
    """
    return _read(path, name)[0]


def gguf_header(path: Path, name: str) -> Header:
    """The header as that of a safetensors file with the numbers in 16 or 32 bits. Raises as
    `read_gguf`."""
    tensors, metadata = _read(path, name)
    return Header(
        {
            key: Tensor(
                "F32" if tensor.type == 0 else "F16",
                tensor.shape,
                (tensor.start, tensor.start + tensor.bytes),
            )
            for key, tensor in tensors.items()
        },
        {"modelspec.license": str(metadata.get("general.license", ""))},
    )


def _read(path: Path, name: str) -> tuple[dict[str, GgufTensor], Mapping[str, object]]:
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size == 0:
                raise ModelCorrupt(f"The file {name} is empty: download it again.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                head = data[:_MAX_HEADER_BYTES]
    except OSError as error:
        raise unreadable(f"the model {name}", error) from error
    if not head.startswith(_MAGIC):
        raise ModelCorrupt(f"The file {name} is not a GGUF file, or it is damaged.")
    try:
        return _parse(_Cursor(head, len(_MAGIC)), size, name)
    except (struct.error, ValueError, OverflowError) as error:
        raise ModelCorrupt(f"The file {name} has a damaged header: {error}") from error


def _parse(
    cursor: "_Cursor", size: int, name: str
) -> tuple[dict[str, GgufTensor], Mapping[str, object]]:
    """Raises ModelCorrupt, or ValueError or struct.error for a damaged header."""
    version = cursor.number("<I")
    if version not in _VERSIONS:
        raise ValueError(f"its version is {version}; it must be 2 or 3")
    tensor_count, value_count = cursor.number("<Q"), cursor.number("<Q")
    metadata: dict[str, object] = {}
    for _ in range(value_count):
        key = cursor.text()
        metadata[key] = cursor.value(cursor.number("<I"))
    items = [_tensor(cursor, name) for _ in range(tensor_count)]
    alignment = metadata.get("general.alignment", _ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1:
        raise ValueError("its alignment must be a whole number from 1")
    data_start = -(-cursor.position // alignment) * alignment
    tensors: dict[str, GgufTensor] = {}
    for key, tensor in items:
        if data_start + tensor.start + tensor.bytes > size:
            raise ModelCorrupt(f"The file {name} is cut off: download it again.")
        shape = metadata.get(_ORIGINAL_SHAPE + key, tensor.shape)
        if not isinstance(shape, tuple) or math.prod(shape) != math.prod(tensor.shape):
            raise ValueError(f"the tensor {one_line(key)} has two shapes")
        tensors[key] = msgspec.structs.replace(tensor, start=data_start + tensor.start, shape=shape)
    return tensors, metadata


def _tensor(cursor: "_Cursor", name: str) -> tuple[str, GgufTensor]:
    """A tensor, whose `start` is in the data. Raises as `_parse`."""
    key, dimensions = cursor.text(), cursor.number("<I")
    if not 0 < dimensions <= _MAX_DIMENSIONS:
        raise ValueError(f"the tensor {one_line(key)} has {dimensions} dimensions")
    shape = tuple(cursor.number("<Q") for _ in range(dimensions))[::-1]
    number, start = cursor.number("<I"), cursor.number("<Q")
    type = TYPES.get(number)
    if type is None:
        known = ", ".join(item.name for item in TYPES.values())
        raise ModelCorrupt(
            f"The file {name} has weights of the GGUF type {number}, which is not supported; these "
            f"are: {known}."
        )
    if shape[-1] % type.block:
        raise ValueError(f"the tensor {one_line(key)} has a row of no whole blocks")
    bytes = math.prod(shape) // type.block * type.block_bytes
    return key, GgufTensor(number, shape, shape, start, bytes)


class _Cursor:
    """Reads values one after the other."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self.position = position

    def number(self, format: str) -> int:
        """The next number. Raises struct.error at the end of the data."""
        [value] = struct.unpack_from(format, self._data, self.position)
        self.position += struct.calcsize(format)
        return int(value)

    def text(self) -> str:
        """The next text. Raises ValueError at the end of the data."""
        length = self.number("<Q")
        start, self.position = self.position, self.position + length
        if self.position > len(self._data):
            raise ValueError("a text is longer than the header")
        return self._data[start : self.position].decode(errors="replace")

    def value(self, type: int) -> object:
        """The next value of this type; None for floats. Raises ValueError for an unknown type."""
        if type == _STRING:
            return self.text()
        if type in _INTEGERS:
            return self.number(_INTEGERS[type])
        if type in _OTHERS:
            self.position += struct.calcsize(_OTHERS[type])
            return None
        if type != _ARRAY:
            raise ValueError(f"a value has the unknown type {type}")
        inner, count = self.number("<I"), self.number("<Q")
        if inner == _ARRAY or count > len(self._data):
            raise ValueError("an array is too long or of arrays")
        return tuple([self.value(inner) for _ in range(count)])
