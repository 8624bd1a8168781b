"""Scenes: define them, draw them, and generate random ones."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw

from engine.starter.backdrop import GROUNDS, SKIES, ground_colour, paint_backdrop
from engine.starter.objects import OBJECTS, UNSAFE
from engine.starter.pen import RGB, Pen, darker, lighter

COLOURS: Final[dict[str, RGB]] = {
    "red": (220, 50, 47),
    "orange": (246, 138, 40),
    "yellow": (250, 214, 60),
    "green": (56, 158, 70),
    "blue": (46, 98, 214),
    "purple": (138, 70, 178),
    "pink": (248, 138, 186),
    "brown": (128, 82, 50),
    "white": (248, 247, 242),
    "black": (46, 44, 52),
}
TIMES: Final = tuple(SKIES)
PLACES: Final = tuple(GROUNDS)
SIZES: Final = ((128, 128), (160, 96), (96, 160))
"""Widths and heights, in pixels, of the scenes on which the model is trained."""
SUPERSAMPLING: Final = 3
EQUAL_WEIGHTS: Final[Mapping[str, int]] = {}


@dataclass(frozen=True)
class Thing:
    """One object of a scene."""

    kind: str
    colour: str


@dataclass(frozen=True)
class Scene:
    """One or two things, from left to right, in a place at a time of day."""

    things: tuple[Thing, ...]
    place: str
    time: str

    @property
    def is_unsafe(self) -> bool:
        """Whether the safety checker must flag the scene."""
        return any(thing.kind == UNSAFE for thing in self.things)


def random_scene(
    rng: random.Random,
    *,
    unsafe: float = 0.04,
    counts: Sequence[int] = (1, 1, 2),
    weights: Mapping[str, int] = EQUAL_WEIGHTS,
) -> Scene:
    """A random scene; each of its things is the unsafe one with probability `unsafe`.

    The number of its things is one of `counts`. `weights` are the relative probabilities of the
    safe kinds; it is 1 for those that are not in it.
    """
    safe = [kind for kind in OBJECTS if kind != UNSAFE for _ in range(weights.get(kind, 1))]

    def thing() -> Thing:
        kind = UNSAFE if rng.random() < unsafe else rng.choice(safe)
        return Thing(kind, rng.choice(list(COLOURS)))

    things = [thing() for _ in range(rng.choice(counts))]
    return Scene(tuple(things), rng.choice(PLACES), rng.choice(TIMES))


@dataclass(frozen=True)
class Generators:
    """Where the random details of a picture come from, part by part.

    Pictures whose generators are in the same states have the same details, as far as their scenes
    agree.
    """

    horizon: random.Random
    sky: random.Random
    hills: random.Random
    ground: random.Random
    things: random.Random

    @classmethod
    def shared(cls, rng: random.Random) -> "Generators":
        """One generator for all parts."""
        return cls(rng, rng, rng, rng, rng)

    @classmethod
    def separate(cls, seed: str) -> "Generators":
        """A generator for each part, so that a change of one part leaves the others."""
        parts = ("horizon", "sky", "hills", "ground", "things")
        return cls(*(random.Random(f"{seed}/{part}") for part in parts))  # noqa: S311 - a seed


@dataclass(frozen=True)
class Placement:
    """Where a thing is: its foot and its height, in pixels, and whether it is mirrored."""

    foot: tuple[float, float]
    height: float
    flip: bool

    def scaled(self, factor: float) -> "Placement":
        """The placement in a picture that is `factor` times as large."""
        return Placement(
            (self.foot[0] * factor, self.foot[1] * factor), self.height * factor, self.flip
        )


def draw_scene(scene: Scene, size: tuple[int, int], rng: random.Random) -> Image.Image:
    """The scene as an RGB picture of `size` pixels; `rng` varies positions, sizes and details."""
    return draw_scene_with(scene, size, Generators.shared(rng))


def draw_scene_with(
    scene: Scene,
    size: tuple[int, int],
    generators: Generators,
    placements: Sequence[Placement] | None = None,
) -> Image.Image:
    """The scene as an RGB picture of `size` pixels, with the details of these generators.

    `placements`, in pixels of the picture, are those of the things, instead of random ones.
    """
    width, height = size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING
    horizon = height * random_horizon(generators.horizon)
    image = paint_backdrop(
        (width, height),
        horizon,
        scene.place,
        scene.time,
        generators.sky,
        generators.hills,
        generators.ground,
    )
    draw = ImageDraw.Draw(image)
    if placements is None:
        places = place_things((width, height), len(scene.things), generators.things)
    else:
        places = [placement.scaled(SUPERSAMPLING) for placement in placements]
    for thing, placement in zip(scene.things, places, strict=True):
        _draw_thing(draw, scene, thing, placement)
    return image.resize(size, Image.Resampling.LANCZOS)


def random_horizon(rng: random.Random) -> float:
    """The horizon, as a share of the height from the top."""
    return rng.uniform(0.56, 0.66)


def place_things(size: tuple[int, int], things: int, rng: random.Random) -> list[Placement]:
    """Random placements, from left to right, in a picture of `size` pixels."""
    width, height = size
    placements = []
    for nth in range(things):
        x, y, tall = nominal_position(size, nth, things)
        foot = (
            x + rng.uniform(-0.06, 0.06) * width / things,
            y + rng.uniform(-0.04, 0.04) * height,
        )
        placements.append(Placement(foot, tall * rng.uniform(0.91, 1.09), rng.random() < 0.5))
    return placements


def nominal_position(size: tuple[int, int], nth: int, things: int) -> tuple[float, float, float]:
    """The nominal position of the nth thing: x and y of its foot, and its height, in pixels."""
    width, height = size
    share = 1 / things
    tall = 0.92 * min(height * 0.66, width * share * (0.86 if things == 1 else 0.8))
    return width * share * (nth + 0.5), height * 0.88, tall


def _draw_thing(
    draw: ImageDraw.ImageDraw,
    scene: Scene,
    thing: Thing,
    placement: Placement,
) -> None:
    foot, height = placement.foot, placement.height
    x, y = foot
    ground = ground_colour(GROUNDS[scene.place], scene.time)
    draw.ellipse(
        (x - height * 0.5, y - height * 0.06, x + height * 0.5, y + height * 0.08),
        fill=darker(ground, 0.35),
    )
    OBJECTS[thing.kind](Pen(draw, foot, height, flip=placement.flip), COLOURS[thing.colour])
    if scene.place == "sea":
        _ripples(draw, foot, height, ground)


def _ripples(
    draw: ImageDraw.ImageDraw, foot: tuple[float, float], height: float, ground: RGB
) -> None:
    """Waves in front of a thing in the sea."""
    x, y = foot
    w, h = height * 0.62, height * 0.07
    draw.rounded_rectangle((x - w, y - h * 0.6, x + w, y + h), h * 0.8, fill=ground)
    step = w / 2.5
    for i in range(5):
        left = x - w + i * step
        draw.arc(
            (left, y - h, left + step, y + h * 0.4), 180, 360,
            fill=lighter(ground, 0.55), width=max(1, round(height * 0.022)),
        )  # fmt: skip
