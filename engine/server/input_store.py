"""Input images that were received on one connection and that no job has listed yet."""

from collections.abc import Iterable
from typing import Final

MAX_UNUSED_BYTES: Final = 128 * 2**20
"""Above this, the images are dropped that were received first."""


class InputStore:
    """Holds input images by their digests, which are not checked here."""

    def __init__(self) -> None:
        self._images: dict[str, bytes] = {}
        """In the order in which they were received."""
        self.unused_bytes = 0

    def add(self, sha256: str, data: bytes) -> None:
        """Store an image, in place of one with the same digest."""
        self._remove(sha256)
        self._images[sha256] = data
        self.unused_bytes += len(data)
        while self.unused_bytes > MAX_UNUSED_BYTES:
            self._remove(next(iter(self._images)))

    def take(self, digests: Iterable[str]) -> dict[str, bytes]:
        """Remove and return those of these images that are there."""
        images = {digest: self._remove(digest) for digest in dict.fromkeys(digests)}
        return {digest: data for digest, data in images.items() if data is not None}

    def _remove(self, sha256: str) -> bytes | None:
        data = self._images.pop(sha256, None)
        self.unused_bytes -= len(data or b"")
        return data
