"""Transport compression of the gateway: one stream for each connection."""

import zlib
from collections.abc import Callable
from typing import Protocol

ZSTD_MAGIC = 0xFD2FB528
BLOCK_BYTES = 128 * 1024  # the largest block of Zstandard, and the window size
WINDOW_DESCRIPTOR = 7 << 3  # 2 ** (10 + 7) bytes


class CompressedStream(Protocol):
    """The compressed frames of a connection."""

    def pack(self, text: str) -> bytes:
        """Return the frame as the next bytes of the stream."""


class ZlibStream:
    """`zlib-stream`."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj()

    def pack(self, text: str) -> bytes:
        """Return the compressed frame."""
        return self._stream.compress(text.encode()) + self._stream.flush(zlib.Z_SYNC_FLUSH)


class ZstdStream:
    """`zstd-stream`, one Zstandard frame of raw blocks without an end (RFC 8878).

    Raw blocks are not compressed: Python 3.11 has no encoder. Every decoder can read them.
    """

    def __init__(self) -> None:
        self._header = ZSTD_MAGIC.to_bytes(4, "little") + bytes([0, WINDOW_DESCRIPTOR])

    def pack(self, text: str) -> bytes:
        """Return the frame as raw blocks; the first frame follows the header of the stream."""
        data = text.encode()
        result, self._header = self._header, b""
        for start in range(0, len(data), BLOCK_BYTES):
            block = data[start : start + BLOCK_BYTES]
            result += (len(block) << 3).to_bytes(3, "little") + block  # not the last, type 0: raw
        return result


STREAMS: dict[str, Callable[[], CompressedStream]] = {
    "zlib-stream": ZlibStream,
    "zstd-stream": ZstdStream,
}
"""The streams by the query parameter `compress` of the gateway URL."""
