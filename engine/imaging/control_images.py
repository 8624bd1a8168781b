"""Make control images of input images: lines of drawings, and edges in pictures.

Both are white lines on black, as ControlNets for scribbles, line art and edges are trained with.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

from engine.contract import Preprocessor
from engine.contract.images.fit import resize_and_crop
from engine.imaging.edges import canny
from engine.imaging.grey_morphology import closed, opened

_Pixels = NDArray[np.uint8]
_MAX_PIXELS: Final = 1024 * 1024
"""Of a drawing whose lines are looked for: the lines of a larger one would get lost if it was
reduced before."""
_WIDEST_LINE: Final = 1 / 12
"""As a share of the shorter side; what is wider is an area, of which the outline is drawn."""
_USUAL_LINE: Final = 1 / 40
"""The same, of lines by which is decided whether lines are darker or lighter than the ground."""
_BLACK: Final = 8
"""Levels up to which a pixel is black, and a colour grey."""
_DARK_GROUND, _LIGHT_GROUND = 64, 192
"""Levels: below and above them, the ground alone decides that."""
_CONTRAST: Final = 0.3
"""Of a line, as a share of that of the clearest lines, in the range of the next two values."""
_LEAST_CONTRAST, _ENOUGH_CONTRAST = 20, 60
"""In levels: what has less is noise or paper; what has as much is always a line."""
_OUTLINE: Final = (160, 240)
"""The thresholds of the outlines of areas, as those of `canny`; shadows on paper are below."""
_EDGES: Final = ((100, 200), (50, 100), (25, 50))
"""Thresholds of `canny`, tried in this order."""
_THIN: Final = 384
"""From this length of the shorter side on, in pixels, a line of one pixel is too thin."""


def control_image(
    image: Image.Image, width: int, height: int, preprocessor: Preprocessor, *, has_lines: bool
) -> Image.Image:
    """The control image of this size, in RGB, of an RGB image, which is resized and cropped.

    `has_lines` says that lines are expected in it. Raises ValueError, with a sentence for the user,
    if there are none.
    """
    if preprocessor is Preprocessor.SCRIBBLE:
        lines = scribble(image, width, height)
    else:
        result = resize_and_crop(image, width, height).convert("RGB")
        if preprocessor is Preprocessor.NONE:
            if has_lines and len(result.getcolors(1) or ()) == 1:
                raise _empty_error()
            return result
        lines = _edges(np.asarray(result))
    if not lines.any():
        raise _empty_error()
    return Image.fromarray((lines * 255).astype(np.uint8)).convert("RGB")


def is_control_image(image: Image.Image) -> bool:
    """Whether an RGB image has light lines without colour on black, as control images of lines
    do."""
    pixels = np.asarray(image.convert("RGB")).astype(np.int16)
    colours = pixels.max(axis=2) - pixels.min(axis=2)
    return bool(np.median(pixels) <= _BLACK and np.quantile(colours, 0.99) <= _BLACK)


def scribble(image: Image.Image, width: int, height: int) -> NDArray[np.bool_]:
    """Where the lines of a drawing are, (height, width): strokes of any colour on a light or a dark
    ground, which may be a photograph of paper, and the outlines of areas."""
    side = _working_factor(image, width, height)
    large = resize_and_crop(image, width * side, height * side).convert("RGB")
    if side > 1:
        large = large.filter(ImageFilter.GaussianBlur(0.8))
    pixels = np.asarray(large)
    contrast, areas = _lines_and_areas(pixels)
    is_line = contrast > _threshold(contrast)
    lines: NDArray[np.bool_] = is_line.reshape(height, side, width, side).max(axis=(1, 3))
    lines |= canny(_reduced(areas, width, height), *_OUTLINE)
    return ndimage.binary_dilation(lines, np.ones((3, 3))) if min(lines.shape) >= _THIN else lines


def _edges(pixels: _Pixels) -> NDArray[np.bool_]:
    """Those of `canny`; in a picture without clear ones, fainter ones."""
    for low, high in _EDGES:
        edges = canny(pixels, low, high)
        if edges.any():
            break
    return edges


def _working_factor(image: Image.Image, width: int, height: int) -> int:
    """How many times larger than the control image the drawing is when its lines are looked for."""
    detail = min(image.width / width, image.height / height)
    most = math.sqrt(_MAX_PIXELS / (width * height))
    return max(1, int(min(detail, most)))


def _lines_and_areas(pixels: _Pixels) -> tuple[_Pixels, _Pixels]:
    """The contrast of lines with their surroundings, (height, width), and the image without what is
    thinner than the widest lines."""
    widest = _radius(pixels, _WIDEST_LINE)
    if _has_dark_lines(pixels):
        areas = closed(pixels, widest)
        return (areas - pixels).max(axis=2), areas
    areas = opened(pixels, widest)
    return (pixels - areas).max(axis=2), areas


def _has_dark_lines(pixels: _Pixels) -> bool:
    """Whether the lines are darker than the ground: on a ground that is neither light nor dark, by
    which lines have more contrast."""
    ground = float(np.median(pixels))
    if not _DARK_GROUND <= ground <= _LIGHT_GROUND:
        return ground > _LIGHT_GROUND
    usual = _radius(pixels, _USUAL_LINE)
    dark, light = closed(pixels, usual) - pixels, pixels - opened(pixels, usual)
    return bool(dark.sum(dtype=np.int64) >= light.sum(dtype=np.int64))


def _radius(pixels: _Pixels, share: float) -> int:
    """Half of this share of the shorter side."""
    return math.ceil(min(len(pixels), len(pixels[0])) * share / 2)


def _threshold(contrast: _Pixels) -> float:
    clearest = float(np.partition(contrast.ravel(), -_few(contrast))[-_few(contrast)])
    return min(max(_CONTRAST * clearest, _LEAST_CONTRAST), _ENOUGH_CONTRAST)


def _few(contrast: _Pixels) -> int:
    """Fewer pixels than this are no line."""
    return max(1, min(len(contrast), len(contrast[0])) // 10)


def _reduced(pixels: _Pixels, width: int, height: int) -> _Pixels:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))


def _empty_error() -> ValueError:
    return ValueError(
        "There are no lines to follow in this picture: it is empty, or of one colour. Draw some."
    )
