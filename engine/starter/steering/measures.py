"""Measures of pictures that were steered."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from engine.starter.sampling import Pictures
from engine.starter.scene_classifier import Prediction, detect_colours
from engine.starter.scenes import Scene
from engine.starter.steering.edits import EditPair, action
from engine.starter.steering.scribbles import edges

NEAR: Final = 2
"""Pixels within which an edge is on a line."""
_EDGE: Final = 45
"""Change of colour, in levels, that is an edge."""
_DIFFERENT: Final = 24
"""Levels by which pixels differ."""
_LIKE: Final = 8
"""Mean difference, in levels, of pictures that are alike."""


def lines_followed(picture: NDArray[np.uint8], lines: NDArray[np.uint8]) -> float:
    """The share of the pixels of `lines`, (height, width), with an edge of the picture nearby."""
    detected = Image.fromarray(edges(Image.fromarray(picture), _EDGE, thick=False))
    near = np.asarray(detected.filter(ImageFilter.MaxFilter(2 * NEAR + 1))) > 0
    is_line = lines > 127
    return float((near & is_line).sum() / max(1, is_line.sum()))


def changed_fact(pair: EditPair) -> str:
    """What the edit changes: time, place, number (of things), colour or kind."""
    change = action(pair)
    return "number" if change in ("addition", "removal") else change


def facts_changed(
    pair: EditPair, prediction: Prediction, picture: NDArray[np.uint8]
) -> tuple[bool, bool]:
    """Whether the picture has what the edit asked for, and all else of the first scene; for scenes
    with equally many things."""
    before, after = pair.before, pair.after
    facts = [
        (before.time != after.time, prediction.time == after.time),
        (before.place != after.place, prediction.place == after.place),
    ]
    colours = detect_colours(picture, after)
    detected = [*prediction.kinds, "", ""]
    for nth, (old, new) in enumerate(zip(before.things, after.things, strict=True)):
        facts.append((old.kind != new.kind, detected[nth] == new.kind))
        facts.append((old.colour != new.colour, colours[nth] == new.colour))
    return (
        all(is_right for is_asked, is_right in facts if is_asked),
        all(is_right for is_asked, is_right in facts if not is_asked),
    )


def pixels_changed(
    before: NDArray[np.uint8], after: NDArray[np.uint8], picture: NDArray[np.uint8]
) -> tuple[bool, bool]:
    """Whether a picture is nearer to `after` where the two differ, and like both elsewhere."""
    first, second, detected = (array.astype(np.float32) for array in (before, after, picture))
    differs = np.abs(first - second).max(axis=-1) > _DIFFERENT
    from_first, from_second = (np.abs(detected - other).mean(axis=-1) for other in (first, second))
    return (
        bool(from_second[differs].mean() < from_first[differs].mean()),
        bool(from_second[~differs].mean() < _LIKE),
    )


def same_things(
    scenes: Sequence[Scene], predictions: Sequence[Prediction], pictures: Pictures
) -> tuple[list[bool], list[bool]]:
    """Whether the kinds of each scene are in its picture, and the colours of its things."""
    kinds = [
        tuple(thing.kind for thing in scene.things) == prediction.kinds
        for scene, prediction in zip(scenes, predictions, strict=True)
    ]
    colours = [
        thing.colour == colour
        for scene, picture in zip(scenes, pictures, strict=True)
        for thing, colour in zip(scene.things, detect_colours(picture, scene), strict=True)
    ]
    return kinds, colours


def has_style(style: str, picture: NDArray[np.uint8]) -> bool:
    """Whether the picture is as pale and grey as a pencil drawing, or as dark with bright lines as
    neon tubes. Of rendered scenes, none passes as either."""
    pixels = picture.astype(np.float32)
    saturation = pixels.max(axis=-1) - pixels.min(axis=-1)
    brightness = pixels.max(axis=-1)
    if style == "pencil":
        return bool(np.quantile(saturation, 0.9) < 36 and np.median(brightness) > 130)
    return bool(np.median(brightness) < 84 and np.quantile(brightness, 0.97) > 125)
