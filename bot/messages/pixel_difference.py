"""How far two images differ; pure Pillow."""

from typing import NamedTuple

from PIL import Image, ImageChops


class PixelDifference(NamedTuple):
    """Of two images of the same size."""

    pixels: int
    """Those that differ in at least one channel."""
    total: int
    """All pixels."""
    largest: int
    """The largest difference of a channel, of 255."""


def difference(first: Image.Image, second: Image.Image) -> PixelDifference | None:
    """The difference of two RGB images; None if their sizes differ."""
    if first.size != second.size:
        return None
    channels = ImageChops.difference(first, second).split()
    most = ImageChops.lighter(ImageChops.lighter(channels[0], channels[1]), channels[2])
    histogram = most.histogram()
    total = first.width * first.height
    largest = max(value for value, count in enumerate(histogram) if count)
    return PixelDifference(total - histogram[0], total, largest)
