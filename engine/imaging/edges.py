"""Edges of images, as OpenCV's `Canny` finds them (Canny 1986,
https://doi.org/10.1109/TPAMI.1986.4767851)."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[Any]
_TANGENT: Final = 0.4142135623730951
"""Of 22.5 degrees: steeper gradients are diagonal."""


def canny(pixels: Array, low: int = 100, high: int = 200) -> NDArray[np.bool_]:
    """Where an image of (height, width, channels) levels has edges, one pixel wide.

    `low` and `high` are the thresholds of the gradient, the sum of its two absolute parts by the
    Sobel operator. Of several channels, each pixel has the one with the largest gradient.
    """
    across, down = _gradient(pixels.astype(np.int32))
    size = abs(across) + abs(down)
    is_ridge = (size > low) & _is_ridge(across, down, size)
    return _connected(is_ridge & (size > high), is_ridge)


def _gradient(levels: Array) -> tuple[Array, Array]:
    padded = np.pad(levels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    columns = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    across = rows[:, 2:] - rows[:, :-2]
    down = columns[2:] - columns[:-2]
    channel = (abs(across) + abs(down)).argmax(axis=2)[..., None]
    return (
        np.take_along_axis(across, channel, axis=2)[..., 0],
        np.take_along_axis(down, channel, axis=2)[..., 0],
    )


def _is_ridge(across: Array, down: Array, size: Array) -> NDArray[np.bool_]:
    """Whether a pixel's gradient is the largest of the three pixels in its direction."""
    padded = np.pad(size, 1)
    height, width = size.shape

    def moved(y: int, x: int) -> Array:
        return padded[1 + y : 1 + y + height, 1 + x : 1 + x + width]

    wide, tall = abs(across), abs(down)
    is_horizontal = tall < wide * _TANGENT
    is_vertical = wide < tall * _TANGENT
    is_falling = (across < 0) == (down < 0)
    return np.where(
        is_horizontal,
        (size > moved(0, -1)) & (size >= moved(0, 1)),
        np.where(
            is_vertical,
            (size > moved(-1, 0)) & (size >= moved(1, 0)),
            np.where(
                is_falling,
                (size > moved(-1, -1)) & (size > moved(1, 1)),
                (size > moved(-1, 1)) & (size > moved(1, -1)),
            ),
        ),
    )


def _connected(seeds: NDArray[np.bool_], pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those of the pixels that are connected with a seed by others of them."""
    labels, count = ndimage.label(pixels, structure=np.ones((3, 3)))
    has_seed = np.zeros(count + 1, dtype=np.bool_)
    has_seed[labels[seeds]] = True
    has_seed[0] = False  # the ground
    connected: NDArray[np.bool_] = has_seed[labels]
    return connected
