"""Example pictures for the image adapter, and the prompts that go with them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.starter.caption_tokens import CAPTIONS
from engine.starter.captions import PLACE_WORDS, TIME_WORDS, caption, noun
from engine.starter.objects import OBJECTS, UNSAFE
from engine.starter.scenes import COLOURS, PLACES, TIMES, Scene, Thing

KINDS: Final = tuple(OBJECTS)
LABEL_SIZES: Final = (
    len(KINDS),
    len(KINDS) + 1,
    len(COLOURS),
    len(COLOURS) + 1,
    len(PLACES),
    len(TIMES),
)
"""Numbers of classes of `labels`: left (or only) kind, right kind, their colours, place, time. The
last class of what is right is that of scenes with one thing."""


@dataclass(frozen=True)
class Example:
    """A scene to take as an example for another one, and CAPTIONS prompts, which name what differs
    in the other one."""

    scene: Scene
    prompts: list[str]


def labels(scene: Scene) -> NDArray[np.int64]:
    """The classes of a scene, whose numbers are LABEL_SIZES."""
    kinds = [*(KINDS.index(thing.kind) for thing in scene.things), len(KINDS)][:2]
    colours = [*([*COLOURS].index(thing.colour) for thing in scene.things), len(COLOURS)][:2]
    return np.array([*kinds, *colours, PLACES.index(scene.place), TIMES.index(scene.time)])


def scene_of(classes: Sequence[int]) -> Scene:
    """The scene with these classes, the inverse of `labels`."""
    left, right, left_colour, right_colour, place, time = classes
    pairs = [(left, left_colour), (right, right_colour)]
    things = [Thing(KINDS[k], [*COLOURS][c]) for k, c in pairs if k < len(KINDS)]
    return Scene(tuple(things), PLACES[place], TIMES[time])


def plain_caption(scene: Scene) -> str:
    """The caption with all facts of the scene, always in the same words."""
    things = " to the left of ".join(f"a {thing.colour} {thing.kind}" for thing in scene.things)
    return f"{things} {PLACE_WORDS[scene.place][0]} {TIME_WORDS[scene.time][0]}"


def random_example(scene: Scene, rng: random.Random, *, changed: bool) -> Example:
    """An example for the scene: the same scene, or one with another setting or other things."""
    if not changed:
        return Example(scene, [caption(scene, rng) for _ in range(CAPTIONS)])
    if rng.random() < 0.6:
        return _with_other_setting(scene, rng)
    things = tuple(_random_thing(rng) for _ in scene.things)
    texts = [" and ".join(noun(thing, rng) for thing in scene.things) for _ in range(CAPTIONS)]
    return Example(replace(scene, things=things), texts)


def _with_other_setting(scene: Scene, rng: random.Random) -> Example:
    changes = rng.choice((("place",), ("time",), ("place", "time")))
    second = replace(
        scene,
        place=rng.choice(PLACES) if "place" in changes else scene.place,
        time=rng.choice(TIMES) if "time" in changes else scene.time,
    )
    texts = []
    for _ in range(CAPTIONS):
        words = {"place": PLACE_WORDS[scene.place], "time": TIME_WORDS[scene.time]}
        named = [rng.choice(words[change]) for change in changes]
        if rng.random() < 0.4:
            named.insert(0, " and ".join(noun(thing, rng) for thing in scene.things))
        texts.append(" ".join(named))
    return Example(second, texts)


def _random_thing(rng: random.Random) -> Thing:
    kind = rng.choice([kind for kind in KINDS if kind != UNSAFE])
    return Thing(kind, rng.choice([*COLOURS]))
