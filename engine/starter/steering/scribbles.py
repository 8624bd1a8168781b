"""Scribbles of scenes: white lines on black, as people draw them, and edges of pictures."""

import random
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from engine.starter.backdrop import hill_boxes
from engine.starter.objects import OBJECTS
from engine.starter.scenes import (
    COLOURS,
    Generators,
    Placement,
    Scene,
    place_things,
    random_horizon,
)
from engine.starter.steering.line_pen import BLACK, LINE, Hand, LinePen, draw_line, strayed

_SCALE: Final = 2
"""Scribbles are drawn so many times as large as they become."""
_EMPTY, _ONE_MISSING, _SILHOUETTE, _EDGES = 0.03, 0.15, 0.15, 0.2
"""Shares of scribbles: with nothing, with one of two things, with outer lines only, with the edges
of the picture instead of drawn lines."""
_HORIZON, _HILLS = 0.4, 0.5
"""Shares of scribbles with a horizon, and of these with hills."""

DrawThings = Callable[
    [Image.Image, Scene, list[tuple[int, Placement]], Hand, random.Random], Image.Image
]


def scribble(
    scene: Scene, picture: Image.Image, generators: Generators, rng: random.Random
) -> NDArray[np.uint8]:
    """A scribble, (height, width), of the scene.

    `picture` is that of the scene; `generators` are in the states that they had before it was
    drawn. `rng` varies the hand.
    """
    chance = rng.random()
    if chance < _EMPTY:
        return np.zeros((picture.height, picture.width), dtype=np.uint8)
    if chance < _EMPTY + _EDGES:
        return edges(picture, rng.uniform(40, 110), thick=rng.random() < 0.5)
    shown = [*range(len(scene.things))]
    if len(shown) == 2 and rng.random() < _ONE_MISSING:
        shown.remove(rng.randrange(2))
    draw_things = _silhouettes if rng.random() < _SILHOUETTE else _outlines
    return drawn_scribble(
        scene, picture.size, generators, random_hand(rng), rng, shown, draw_things
    )


def drawn_scribble(
    scene: Scene,
    size: tuple[int, int],
    generators: Generators,
    hand: Hand,
    rng: random.Random,
    shown: Sequence[int] | None = None,
    draw_things: DrawThings | None = None,
) -> NDArray[np.uint8]:
    """A scribble, (height, width), in a picture of `size` pixels.

    `shown` are the indices of the things that are drawn (default: all).
    """
    canvas = Image.new("L", (size[0] * _SCALE, size[1] * _SCALE))
    if rng.random() < _HORIZON:
        _backdrop(canvas, scene, generators, hand, rng)
    placements = place_things(canvas.size, len(scene.things), generators.things)
    chosen = range(len(placements)) if shown is None else shown
    things = [(nth, placements[nth]) for nth in chosen]
    canvas = (draw_things or _outlines)(canvas, scene, things, hand, rng)
    drawn = np.asarray(canvas.resize(size, Image.Resampling.BOX))
    return ((drawn > 90) * 255).astype(np.uint8) if rng.random() < 0.6 else drawn


def random_hand(rng: random.Random) -> Hand:
    """Anybody's hand, for a picture that is drawn _SCALE times as large."""
    return Hand(
        width=_SCALE * rng.uniform(1.0, 4.0),
        wobble=_SCALE * rng.choice((0.0, 0.6, 1.2, 2.0)),
        gaps=rng.choice((0.0, 0.0, 0.1, 0.3)),
        details=rng.choice((0.0, 0.5, 0.8, 1.0, 1.0)),
    )


def edges(picture: Image.Image, threshold: float, *, thick: bool) -> NDArray[np.uint8]:
    """White where the colours of a picture change by more than `threshold` levels."""
    pixels = np.asarray(picture.filter(ImageFilter.GaussianBlur(0.6))).astype(np.float32)
    across, down = np.zeros(pixels.shape), np.zeros(pixels.shape)
    across[:, 1:-1] = pixels[:, 2:] - pixels[:, :-2]
    down[1:-1] = pixels[2:] - pixels[:-2]
    change = np.hypot(across, down).max(axis=-1)
    ridge = (change >= np.roll(change, 1, 1)) & (change >= np.roll(change, -1, 1))
    ridge |= (change >= np.roll(change, 1, 0)) & (change >= np.roll(change, -1, 0))
    lines = Image.fromarray(((ridge & (change > threshold)) * 255).astype(np.uint8))
    return np.array(lines.filter(ImageFilter.MaxFilter(3)) if thick else lines)


def _backdrop(
    canvas: Image.Image, scene: Scene, generators: Generators, hand: Hand, rng: random.Random
) -> None:
    draw = ImageDraw.Draw(canvas)
    horizon = canvas.height * random_horizon(generators.horizon)
    if scene.place != "sea" and rng.random() < _HILLS:
        for box in hill_boxes(canvas.size, horizon, generators.hills):
            draw.arc(box, 180, 360, fill=LINE, width=round(hand.width))
    line = strayed([(0.0, horizon), (float(canvas.width), horizon)], hand.wobble, rng)
    draw_line(draw, line, hand.width)


def _outlines(
    canvas: Image.Image,
    scene: Scene,
    things: list[tuple[int, Placement]],
    hand: Hand,
    rng: random.Random,
    fill: int = BLACK,
) -> Image.Image:
    draw = ImageDraw.Draw(canvas)
    for nth, place in things:
        colour = COLOURS[scene.things[nth].colour]
        pen = LinePen(
            draw,
            place.foot,
            place.height,
            flip=place.flip,
            hand=hand,
            colour=colour,
            rng=rng,
            fill=fill,
        )
        OBJECTS[scene.things[nth].kind](pen, colour)
    return canvas


def _silhouettes(
    canvas: Image.Image,
    scene: Scene,
    things: list[tuple[int, Placement]],
    hand: Hand,
    rng: random.Random,
) -> Image.Image:
    width = round(hand.width) // 2 * 2 + 1
    whole = Hand(2, hand.wobble, 0, 1)
    for thing in things:
        inside = _outlines(Image.new("L", canvas.size), scene, [thing], whole, rng, fill=LINE)
        outside = inside.filter(ImageFilter.MaxFilter(width))
        canvas = Image.composite(ImageChops.subtract(outside, inside), canvas, outside)
    return canvas
