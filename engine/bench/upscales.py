"""Measure the installed upscaler, with one thread as in the engine."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from PIL import Image

from engine.upscale.base import Upscaler

SIDES: Final = (64, 128, 256, 512)
"""Of the measured pictures, in pixels."""
_RUNS: Final = 5


@dataclass(frozen=True)
class UpscaleTime:
    """The measurement of one size and scale."""

    side: int
    """Of the square picture, in pixels."""
    scale: int
    seconds: float
    """Median."""


HEAD: Final = "side  scale  s\n"


def line(result: UpscaleTime) -> str:
    """One line of the table."""
    return f"{result.side:<6}{result.scale:<7}{result.seconds:.3f}\n"


def run(upscaler: Upscaler, sides: tuple[int, ...] = SIDES) -> Iterator[UpscaleTime]:
    """Measure each size at each scale."""
    for side in sides:
        image = Image.radial_gradient("L").resize((side, side)).convert("RGB")
        for scale in upscaler.scales:
            yield UpscaleTime(side, scale, statistics.median(_times(upscaler, image, scale)))


def _times(upscaler: Upscaler, image: Image.Image, scale: int) -> Iterator[float]:
    for _ in range(_RUNS):
        start = time.perf_counter()
        upscaler.upscale(image, scale)
        yield time.perf_counter() - start
