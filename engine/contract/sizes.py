"""The sizes of pictures: limits, and sizes for aspect ratios and init images."""

import math
from typing import Final

SIZE_MULTIPLE: Final = 8
"""Widths and heights must be multiples of this: one latent pixel covers 8 x 8 pixels."""
MIN_SIZE: Final = 64
MAX_SIZE: Final = 2048


def check_size(name: str, size: int) -> None:
    """Raise ValueError, with a sentence for the user, unless this width or height is allowed."""
    if size % SIZE_MULTIPLE or not MIN_SIZE <= size <= MAX_SIZE:
        raise ValueError(
            f"The {name} is {size}; it must be a multiple of {SIZE_MULTIPLE} "
            f"from {MIN_SIZE} to {MAX_SIZE}."
        )


def size_for_aspect(
    aspect_ratio: float,
    native_size: int,
    multiple: int = SIZE_MULTIPLE,
    max_side: int = MAX_SIZE,
) -> tuple[int, int]:
    """Width and height in pixels with this aspect ratio and an area of about native_size squared.

    Both are at most `max_side` and multiples of `multiple`, which divides MIN_SIZE and `max_side`;
    the ratio is clamped to 1:4 and 4:1.
    """
    aspect_ratio = min(max(aspect_ratio, 0.25), 4.0)
    ratio = math.sqrt(aspect_ratio)
    sides = native_size * ratio, native_size / ratio
    width, height = (_snap(side, multiple, max_side) for side in sides)
    return width, height


def size_for_init_image(
    width: int,
    height: int,
    native_size: int,
    multiple: int = SIZE_MULTIPLE,
    max_side: int = MAX_SIZE,
) -> tuple[int, int]:
    """The width and height in pixels at which to paint over an init image.

    If the image's area is near the native one, its own size, rounded to `multiple`; else a size
    of its aspect ratio with the native area.
    """
    size = _snap(width, multiple, max_side), _snap(height, multiple, max_side)
    native_area = native_size**2
    is_near = native_area / 2 <= width * height <= native_area * 3 / 2
    if is_near and max(size) <= 2 * native_size:
        return size
    return size_for_aspect(width / height, native_size, multiple, max_side)


def _snap(pixels: float, multiple: int, max_side: int) -> int:
    return min(max(round(pixels / multiple) * multiple, MIN_SIZE), max_side)
