"""Grey-scale morphology of 8-bit images; SciPy's calculates in float64, which takes longer."""

import numpy as np
from numpy.typing import NDArray

Levels = NDArray[np.uint8]


def closed(levels: Levels, radius: int) -> Levels:
    """The image (height, width, …) without dark structures that are not wider than 2 * radius
    pixels."""
    return _eroded(_dilated(levels, radius), radius)


def opened(levels: Levels, radius: int) -> Levels:
    """The image without such bright structures."""
    return _dilated(_eroded(levels, radius), radius)


def _dilated(levels: Levels, radius: int) -> Levels:
    """The maximum of the square of 2 * radius + 1 pixels around each pixel, as far as it is in the
    image."""
    return _running_maximum(_running_maximum(levels, radius, 0), radius, 1)


def _eroded(levels: Levels, radius: int) -> Levels:
    return 255 - _dilated(255 - levels, radius)


def _running_maximum(levels: Levels, radius: int, axis: int) -> Levels:
    """Windows are put together from windows of 1, 2, 4, … pixels."""
    padding = [(0, 0)] * levels.ndim
    padding[axis] = radius, radius
    window, current = 1, np.pad(levels, padding)  # 0 is above no pixel
    while window < 2 * radius + 1:
        step = min(window, 2 * radius + 1 - window)
        current = np.maximum(_without(current, axis, 0, step), _without(current, axis, step, 0))
        window += step
    return current


def _without(levels: Levels, axis: int, first: int, last: int) -> Levels:
    """A view without so many pixels at both ends."""
    parts = [slice(None)] * levels.ndim
    parts[axis] = slice(first, levels.shape[axis] - last)
    return levels[tuple(parts)]
