"""ICC colour profiles for tests: version 2, made of primaries and a gamma (ICC.1:2001-04)."""

import struct
from typing import Final, TypeAlias

Xyz: TypeAlias = tuple[float, float, float]
Primaries: TypeAlias = tuple[Xyz, Xyz, Xyz]

D50: Final[Xyz] = (0.9642, 1.0, 0.8249)
DISPLAY_P3: Final = (
    (0.51512, 0.2412, -0.00105),
    (0.29198, 0.69225, 0.04189),
    (0.1571, 0.06657, 0.78407),
)
"""The primaries of most phones' photos, adapted to D50."""
ADOBE_RGB: Final = (
    (0.60974, 0.31111, 0.01947),
    (0.20528, 0.62567, 0.06087),
    (0.14919, 0.06322, 0.74457),
)


def rgb_profile(primaries: Primaries, gamma: float = 2.2) -> bytes:
    """A matrix profile for RGB."""
    names = (b"rXYZ", b"gXYZ", b"bXYZ")
    tags = {name: _xyz(value) for name, value in zip(names, primaries, strict=True)}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(gamma))
    return _profile(b"RGB ", tags)


def grey_profile(gamma: float) -> bytes:
    """A profile for greyscale."""
    return _profile(b"GRAY", {b"kTRC": _curve(gamma)})


def _xyz(value: Xyz) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(part * 65536) for part in value))


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(gamma * 256))


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    description = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(4 + 4 + 2 + 1 + 67)
    tags = {
        b"desc": description + bytes(-len(description) % 4),
        b"cprt": b"text\0\0\0\0none" + bytes(4),
        b"wtpt": _xyz(D50),
        **tags,
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data
    return _header(space, 128 + len(table) + len(body)) + table + body


def _header(space: bytes, size: int) -> bytes:
    version, date = b"\x02\x10\0\0", struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    start = struct.pack(">I", size) + bytes(4) + version + b"mntr" + space + b"XYZ "
    return (start + date + b"acsp" + bytes(28) + _xyz(D50)[8:]).ljust(128, b"\0")
