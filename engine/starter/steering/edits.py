"""Pairs of pictures that differ in what an instruction says, and in nothing else."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from PIL import Image

from engine.starter.captions import COLOUR_WORDS, KIND_WORDS, PLACE_WORDS, PLAIN_WORDS, TIME_WORDS
from engine.starter.objects import OBJECTS, UNSAFE
from engine.starter.scenes import (
    COLOURS,
    PLACES,
    TIMES,
    Generators,
    Placement,
    Scene,
    Thing,
    draw_scene_with,
    nominal_position,
    place_things,
)

CHANGE_WEIGHTS: Final = (18, 18, 26, 18, 20)
"""Relative frequencies of another time, place, colour and kind, and of a thing more."""
ACTIONS: Final = ("time", "place", "colour", "kind", "addition", "removal")
BESIDE: Final = 0.5
"""Share of the added things that are small and beside one in the middle; the others are one of
two."""
_SIDE, _SMALL = 0.14, 0.42
"""Where a small thing is, as a share of the width from the side, and its height in units of that of
a single thing."""


@dataclass(frozen=True)
class EditPair:
    """Two scenes, with the placements of their things in units of the picture's height."""

    before: Scene
    after: Scene
    before_places: tuple[Placement, ...]
    after_places: tuple[Placement, ...]

    def reversed(self) -> "EditPair":
        """The pair whose edit undoes this one."""
        return EditPair(self.after, self.before, self.after_places, self.before_places)


def random_pair(
    scene: Scene, size: tuple[int, int], seed: str, weights: Sequence[int] = CHANGE_WEIGHTS
) -> EditPair:
    """The scene, drawn with the generators of this seed, and another with one change, whose
    relative frequencies are `weights`."""
    rng = random.Random(f"{seed}/edit")  # noqa: S311 - a seed, not a secret
    places = original_places(scene, size, seed)
    change = rng.choices((_time, _place, _colour, _kind, _addition), weights)[0]
    return change(EditPair(scene, scene, places, places), size, rng)


def original_places(scene: Scene, size: tuple[int, int], seed: str) -> tuple[Placement, ...]:
    """The placements in the picture with the generators of this seed, in units of its height."""
    things = Generators.separate(seed).things
    return tuple(p.scaled(1 / size[1]) for p in place_things(size, len(scene.things), things))


def draw_pair(pair: EditPair, size: tuple[int, int], seed: str) -> tuple[Image.Image, Image.Image]:
    """Both pictures, of `size` pixels."""
    return (
        draw_side(pair.before, pair.before_places, size, seed),
        draw_side(pair.after, pair.after_places, size, seed),
    )


def draw_side(
    scene: Scene, places: tuple[Placement, ...], size: tuple[int, int], seed: str
) -> Image.Image:
    """One picture of a pair, of `size` pixels."""
    generators = Generators.separate(seed)
    return draw_scene_with(scene, size, generators, [place.scaled(size[1]) for place in places])


def _time(pair: EditPair, _size: tuple[int, int], rng: random.Random) -> EditPair:
    return replace(pair, after=replace(pair.after, time=_other(TIMES, pair.before.time, rng)))


def _place(pair: EditPair, _size: tuple[int, int], rng: random.Random) -> EditPair:
    return replace(pair, after=replace(pair.after, place=_other(PLACES, pair.before.place, rng)))


def _colour(pair: EditPair, _size: tuple[int, int], rng: random.Random) -> EditPair:
    nth = rng.randrange(len(pair.before.things))
    thing = pair.before.things[nth]
    changed = Thing(thing.kind, _other(tuple(COLOURS), thing.colour, rng))
    return replace(pair, after=_with_thing(pair.after, nth, changed))


def _kind(pair: EditPair, _size: tuple[int, int], rng: random.Random) -> EditPair:
    nth = rng.randrange(len(pair.before.things))
    thing = pair.before.things[nth]
    kinds = tuple(kind for kind in OBJECTS if kind != UNSAFE)
    colour = thing.colour if rng.random() < 0.8 else rng.choice(tuple(COLOURS))
    changed = Thing(_other(kinds, thing.kind, rng), colour)
    return replace(pair, after=_with_thing(pair.after, nth, changed))


def _addition(pair: EditPair, size: tuple[int, int], rng: random.Random) -> EditPair:
    """A pair whose second scene has one thing more."""
    if len(pair.before.things) == 2:
        nth = rng.randrange(2)
        without = replace(pair.before, things=(pair.before.things[nth],))
        return replace(pair, before=without, before_places=(pair.before_places[nth],))
    kind = rng.choice([kind for kind in OBJECTS if kind != UNSAFE])
    added = Thing(kind, rng.choice(tuple(COLOURS)))
    is_left = rng.random() < 0.5
    things = (added, *pair.before.things) if is_left else (*pair.before.things, added)
    if rng.random() < BESIDE:
        place = _beside(size, is_left=is_left, rng=rng)
        places = (place, *pair.before_places) if is_left else (*pair.before_places, place)
        return replace(pair, after=replace(pair.after, things=things), after_places=places)
    seed = Generators.separate(str(rng.random())).things
    both = tuple(p.scaled(1 / size[1]) for p in place_things(size, 2, seed))
    alone = (both[1] if is_left else both[0],)
    return EditPair(pair.before, replace(pair.after, things=things), alone, both)


def _beside(size: tuple[int, int], *, is_left: bool, rng: random.Random) -> Placement:
    _, y, tall = nominal_position(size, 0, 1)
    side = _SIDE + rng.uniform(-0.02, 0.04)
    x = size[0] * (side if is_left else 1 - side)
    height = tall * _SMALL * rng.uniform(0.85, 1.15)
    foot = (x, y + size[1] * rng.uniform(-0.02, 0.05))
    return Placement(foot, height, rng.random() < 0.5).scaled(1 / size[1])


def _other(choices: tuple[str, ...], current: str, rng: random.Random) -> str:
    return rng.choice([choice for choice in choices if choice != current])


def _with_thing(scene: Scene, nth: int, thing: Thing) -> Scene:
    things = list(scene.things)
    things[nth] = thing
    return replace(scene, things=tuple(things))


def action(pair: EditPair) -> str:
    """What leads from the first scene to the second."""
    before, after = pair.before, pair.after
    if before.time != after.time:
        return "time"
    if before.place != after.place:
        return "place"
    if len(before.things) != len(after.things):
        return "addition" if len(before.things) < len(after.things) else "removal"
    old, new = changed_things(pair)
    return "colour" if old.kind == new.kind else "kind"


def changed_things(pair: EditPair) -> tuple[Thing, Thing]:
    """The first thing that differs, before and after, of scenes with equally many things."""
    things = zip(pair.before.things, pair.after.things, strict=True)
    return next((old, new) for old, new in things if old != new)


def instruction(pair: EditPair, rng: random.Random) -> str:
    """A random instruction that leads from the first scene to the second."""
    before, after = pair.before, pair.after
    match action(pair):
        case "time":
            words = _setting_words(after.time, TIME_WORDS, "time", rng)
        case "place":
            words = _setting_words(after.place, PLACE_WORDS, "place", rng)
        case "addition":
            words = _added_words(before, after, rng)
        case "removal":
            words = _removed_words(before, after, rng)
        case _:
            words = _changed_words(before, after, rng)
    return _politely(words, rng)


def _setting_words(
    fact: str, table: dict[str, tuple[str, ...]], what: str, rng: random.Random
) -> str:
    plain, phrase = rng.choice((fact, *PLAIN_WORDS[fact])), rng.choice(table[fact])
    return rng.choice(
        (
            f"make it {plain}", f"make it {phrase}", f"change the {what} to {plain}",
            f"change it to {plain}", f"turn it into {plain}", phrase, plain,
            f"put it {phrase}", f"set the {what} to {plain}", f"now {phrase}",
        )
    )  # fmt: skip


def _changed_words(before: Scene, after: Scene, rng: random.Random) -> str:
    pairs = list(zip(before.things, after.things, strict=True))
    nth = next(i for i, (old, new) in enumerate(pairs) if old != new)
    old, new = pairs[nth]
    name = _name(before, nth, rng)
    colour = rng.choice(COLOUR_WORDS.get(new.colour, (new.colour,)))
    if old.kind == new.kind:
        return rng.choice(
            (
                f"make the {name} {colour}", f"make the {name} {colour}",
                f"turn the {name} {colour}", f"paint the {name} {colour}",
                f"change the colour of the {name} to {colour}",
                f"change the {name} to {colour}", f"the {name} should be {colour}",
                f"{colour} {name}", f"a {colour} {name}",
            )
        )  # fmt: skip
    kind = rng.choice(KIND_WORDS[new.kind])
    named = f"{colour} {kind}" if old.colour != new.colour or rng.random() < 0.2 else kind
    article = "an" if named[0] in "aeiou" else "a"
    return rng.choice(
        (
            f"turn the {name} into {article} {named}", f"turn the {name} into {article} {named}",
            f"replace the {name} with {article} {named}", f"change the {name} to {article} {named}",
            f"make the {name} {article} {named}", f"{article} {named} instead of the {name}",
            f"swap the {name} for {article} {named}",
        )
    )  # fmt: skip


def _added_words(before: Scene, after: Scene, rng: random.Random) -> str:
    is_left = after.things[1:] == before.things
    thing = after.things[0 if is_left else 1]
    kind = rng.choice(KIND_WORDS[thing.kind])
    named = f"{rng.choice(COLOUR_WORDS.get(thing.colour, (thing.colour,)))} {kind}"
    article = "an" if named[0] in "aeiou" else "a"
    side = "left" if is_left else "right"
    where = rng.choice(("", "", f" on the {side}", f" to the {side}", " next to it", " beside it"))
    verb = rng.choice(("add", "add", "add", "put", "draw", "insert", "place"))
    return f"{verb} {article} {named}{where}"


def _removed_words(before: Scene, after: Scene, rng: random.Random) -> str:
    nth = 0 if before.things[1:] == after.things else 1
    verb = rng.choice(("remove", "remove", "erase", "delete", "take away", "without"))
    return f"{verb} the {_name(before, nth, rng)}"


def _name(scene: Scene, nth: int, rng: random.Random) -> str:
    """Words that say which thing of the scene is meant."""
    thing = scene.things[nth]
    kind = rng.choice(KIND_WORDS[thing.kind])
    colour = rng.choice(COLOUR_WORDS.get(thing.colour, (thing.colour,)))
    neighbours = [neighbour for i, neighbour in enumerate(scene.things) if i != nth]
    side = ("left", "right")[nth] if neighbours else ""
    if any(neighbour.kind == thing.kind for neighbour in neighbours):
        needs_side = any(neighbour.colour == thing.colour for neighbour in neighbours)
        if needs_side or rng.random() < 0.5:
            return rng.choice((f"{side} {kind}", f"{kind} on the {side}"))
        return f"{colour} {kind}"
    choices = [kind, kind, kind, f"{colour} {kind}"]
    return rng.choice([*choices, f"{side} {kind}", f"{kind} on the {side}"] if side else choices)


def _politely(words: str, rng: random.Random) -> str:
    chance = rng.random()
    if chance < 0.04:
        return f"please {words}"
    return f"{words}!" if chance < 0.08 else words
