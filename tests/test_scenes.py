"""The scenes that the starter model is trained on."""

import random

import numpy as np
import pytest
from PIL import Image

from engine.starter.objects import OBJECTS, UNSAFE
from engine.starter.scene_classifier import detect_colours
from engine.starter.scenes import (
    COLOURS,
    PLACES,
    SIZES,
    TIMES,
    Scene,
    Thing,
    draw_scene,
    random_scene,
)


def brightness(image: Image.Image, box: tuple[float, float, float, float]) -> float:
    """Mean level (0 to 255) of a part that is given in shares of width and height."""
    w, h = image.size
    part = image.crop((int(box[0] * w), int(box[1] * h), int(box[2] * w), int(box[3] * h)))
    return float(np.asarray(part).mean())


def test_the_scenes_have_the_documented_contents() -> None:
    """There are at least 12 kinds of things, 10 colours, 4 places and 3 times of day."""
    assert len(OBJECTS) - 1 >= 12
    assert len(COLOURS) == 10
    assert set(PLACES) == {"grass", "sand", "snow", "sea"}
    assert set(TIMES) == {"day", "night", "sunset"}


@pytest.mark.parametrize("size", SIZES)
def test_a_scene_is_drawn_at_the_requested_size(size: tuple[int, int]) -> None:
    """All sizes of the training scenes are tested."""
    scene = Scene((Thing("house", "red"),), "grass", "night")
    assert draw_scene(scene, size, random.Random(1)).size == size


def test_a_seed_determines_the_drawing() -> None:
    """Equal scenes and seeds give equal pictures; another seed moves the things."""
    scene = Scene((Thing("cat", "blue"), Thing("tree", "pink")), "snow", "day")
    first, same, different = (draw_scene(scene, (128, 128), random.Random(n)) for n in (5, 5, 6))
    assert first.tobytes() == same.tobytes()
    assert first.tobytes() != different.tobytes()


def test_night_is_darker_than_day() -> None:
    """The sky at night is far darker than by day."""
    skies = [
        brightness(
            draw_scene(Scene((Thing("car", "red"),), "sand", time), (128, 128), random.Random(3)),
            (0.3, 0.0, 0.7, 0.15),
        )
        for time in ("night", "day")
    ]
    assert skies[0] < skies[1] / 2


def test_colours_are_detected() -> None:
    """The colours of nearly all rendered scenes are detected correctly."""
    rng = random.Random(8)
    hits = []
    for _ in range(150):
        scene = random_scene(rng, unsafe=0.0)
        colours = detect_colours(np.asarray(draw_scene(scene, (128, 128), rng)), scene)
        hits += [
            thing.colour == colour for thing, colour in zip(scene.things, colours, strict=True)
        ]
    assert sum(hits) / len(hits) > 0.97


def test_only_the_unsafe_thing_makes_a_scene_unsafe() -> None:
    """A scene is unsafe if and only if one of its things is."""
    assert Scene((Thing("cat", "red"), Thing(UNSAFE, "white")), "sea", "day").is_unsafe
    assert not Scene((Thing("cat", "red"),), "sea", "day").is_unsafe
