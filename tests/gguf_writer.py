"""Write GGUF files as others' tools do, without their package."""

import struct
from collections.abc import Mapping
from pathlib import Path

import torch

ALIGNMENT = 32
_TYPES = {"F32": 0, "F16": 1, "Q8_0": 8, "BF16": 30}
_BLOCK = 32


def write_gguf(
    path: Path,
    tensors: Mapping[str, torch.Tensor],
    type: str = "F32",
    values: Mapping[str, str | tuple[int, ...]] | None = None,
) -> Path:
    """Write tensors, (…, columns), in this type, or in F32 if their columns are no whole blocks.

    `values` are the metadata.
    """
    values = {"general.architecture": "test", **(values or {})}
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    for key, value in values.items():
        head += _text(key) + _value(value)
    data = b""
    for name, tensor in tensors.items():
        own = type if type != "Q8_0" or tensor.shape[-1] % _BLOCK == 0 else "F32"
        own = own if tensor.dim() > 1 else "F32"
        shape = tensor.shape or (1,)
        head += _text(name) + struct.pack("<I", len(shape))
        head += struct.pack(f"<{len(shape)}Q", *reversed(shape))
        head += struct.pack("<IQ", _TYPES[own], len(data))
        data += _aligned(_packed(tensor.float().contiguous(), own))
    path.write_bytes(_aligned(head) + data)
    return path


def dequantized(tensor: torch.Tensor) -> torch.Tensor:
    """The numbers of a tensor that was Q8_0, if it is; diffusers multiplies in 16 bits."""
    if tensor.dim() < 2 or tensor.shape[-1] % _BLOCK:
        return tensor
    scales, numbers = _blocks(tensor)
    return (scales * numbers.half()).float().reshape(tensor.shape)


def _blocks(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The scales, (blocks, 1), and the numbers, (blocks, 32)."""
    blocks = tensor.float().reshape(-1, _BLOCK)
    scales = (blocks.abs().amax(1, keepdim=True) / 127).half()
    return scales, (blocks / scales.float().clamp(min=1e-12)).round().clamp(-127, 127)


def _packed(tensor: torch.Tensor, type: str) -> bytes:
    if type == "Q8_0":
        scales, numbers = _blocks(tensor)
        parts = [scales.view(torch.uint8), numbers.to(torch.int8).view(torch.uint8)]
        return torch.cat(parts, 1).numpy().tobytes()
    if type == "BF16":
        return tensor.bfloat16().view(torch.uint8).numpy().tobytes()
    return (tensor.half() if type == "F16" else tensor).numpy().tobytes()


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: str | tuple[int, ...]) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)


def _aligned(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGNMENT)
