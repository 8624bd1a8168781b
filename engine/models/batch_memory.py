"""How much memory forward passes need, learned from those that ran."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from engine.device import Device
from engine.device.errors import is_out_of_memory

HEADROOM: Final = 0.25
"""Memory left free for the decoder, which runs at the same time, as a share of the batch's memory.
"""


class BatchMemory:
    """The memory of one model's batches on a device. Sizes are in pixels."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._known_to_fit: set[tuple[int, int, int, int]] = set()
        """(width, height, rows, text_chunks) that fitted before; their memory stays reserved, so
        they fit again."""
        self._bytes_per_row_pixel = 0.0
        """Memory of a forward pass per pixel and row: the maximum of the measurements."""

    def bytes_for(self, row_pixels: int) -> int:
        """Estimated bytes of a batch with so many pixels in all its rows, and of the headroom."""
        return round(row_pixels * self._bytes_per_row_pixel * (1 + HEADROOM))

    def fits(self, width: int, height: int, rows: int, text_chunks: int) -> bool:
        """Whether there is enough free memory for such a batch."""
        available = self._device.available_memory()
        if available is None or (width, height, rows, text_chunks) in self._known_to_fit:
            return True
        return self.bytes_for(width * height * rows) <= available

    def learn(self, row_pixels: int, used_bytes: int) -> None:
        """Use a measurement of a batch with so many pixels in all its rows."""
        self._bytes_per_row_pixel = max(self._bytes_per_row_pixel, used_bytes / row_pixels)

    def forget_fitting(self) -> None:
        """No batch is known to fit any more."""
        self._known_to_fit.clear()

    @contextmanager
    def measure(self, width: int, height: int, rows: int, text_chunks: int) -> Iterator[None]:
        """Learn from the batch that runs in the block, also from one that does not fit."""
        available = self._device.available_memory()
        row_pixels = width * height * rows
        try:
            with self._device.measure_peak(partial(self.learn, row_pixels)):
                yield
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error) and available is not None:
                self.learn(row_pixels, available)
            raise
        self._known_to_fit.add((width, height, rows, text_chunks))
