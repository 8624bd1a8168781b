"""Build PNG files by hand, including invalid ones."""

import functools
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
"""Colour types (PNG, third edition, section 11.2.1)."""
END: Final = b"\0\0\0\0IEND\xaeB`\x82"
_BLOCK: Final = 1 << 20
_PASSES: Final = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
"""The passes of Adam7: first column and row, steps to the next ones."""


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    """A chunk with its length and checksum."""
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)


def header(
    width: int, height: int, depth: int = 8, colour: int = RGB, *, interlaced: bool = False
) -> bytes:
    """The IHDR chunk."""
    return chunk(
        b"IHDR",
        width.to_bytes(4) + height.to_bytes(4) + bytes([depth, colour, 0, 0, interlaced]),
    )


def png(head: bytes, rows: Iterable[bytes], *, before: bytes = b"", after: bytes = b"") -> bytes:
    """A file of these rows, unfiltered, with other chunks before and after IDAT."""
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return SIGNATURE + head + before + chunk(b"IDAT", data) + after + END


@functools.cache
def zeros(count: int, level: int = 9) -> bytes:
    """The zlib stream of this many zero bytes.

    A mebibyte is compressed once, up to a full flush, and repeated: the blocks do not refer to
    each other.
    """
    compressor = zlib.compressobj(level)
    head = compressor.compress(b"") + compressor.flush(zlib.Z_FULL_FLUSH)
    block = compressor.compress(bytes(_BLOCK)) + compressor.flush(zlib.Z_FULL_FLUSH)
    raw = zlib.compressobj(level, wbits=-zlib.MAX_WBITS)
    tail = raw.compress(bytes(count % _BLOCK)) + raw.flush()
    adler32 = count % 65521 << 16 | 1
    return head + block * (count // _BLOCK) + tail + adler32.to_bytes(4)


def interlaced(pixels: list[list[bytes]]) -> Iterator[bytes]:
    """The rows of the Adam7 passes."""
    for x, y, right, down in _PASSES:
        for row in pixels[y::down]:
            if row[x::right]:
                yield b"".join(row[x::right])


def bomb(side: int) -> bytes:
    """A black square with 1 bit per pixel: a small file with very many pixels."""
    head = header(side, side, 1, GREY)
    return SIGNATURE + head + chunk(b"IDAT", zeros(side * (1 + (side + 7) // 8))) + END
