"""Generate random captions of scenes."""

import random
from typing import Final

from engine.starter.scenes import COLOURS, PLACES, TIMES, Scene, Thing

KIND_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "house": ("house", "house", "house", "cottage", "home"),
    "tree": ("tree",),
    "boat": ("boat", "boat", "boat", "sailboat", "ship"),
    "fish": ("fish",),
    "cat": ("cat", "cat", "cat", "kitten", "kitty"),
    "robot": ("robot",),
    "car": ("car", "car", "car", "automobile"),
    "rocket": ("rocket", "rocket", "spaceship"),
    "flower": ("flower", "flower", "flower", "blossom"),
    "mushroom": ("mushroom", "mushroom", "toadstool"),
    "bird": ("bird",),
    "balloon": ("balloon", "balloon", "hot air balloon"),
    "umbrella": ("umbrella", "umbrella", "parasol"),
    "castle": ("castle", "castle", "castle", "fortress"),
    "skull": ("skull",),
}
COLOUR_WORDS: Final[dict[str, tuple[str, ...]]] = {"purple": ("purple", "purple", "violet")}
PLACE_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "grass": (
        "on the grass", "on grass", "in the grass", "in a meadow", "on a meadow",
        "in a green field", "on a lawn", "in the countryside",
    ),
    "sand": (
        "on the sand", "on sand", "in the sand", "on the beach", "at the beach", "on a beach",
        "in the desert",
    ),
    "snow": (
        "in the snow", "on the snow", "on snow", "in snow", "in winter", "in a snowy field",
        "in a snowy landscape",
    ),
    "sea": (
        "on the sea", "in the sea", "at sea", "by the sea", "in the water", "on the water",
        "on the ocean", "in the ocean", "on the waves",
    ),
}  # fmt: skip
TIME_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "day": (
        "by day", "during the day", "in the daytime", "in daylight", "on a sunny day", "at noon",
        "under a blue sky", "in the sunshine",
    ),
    "night": (
        "at night", "at night", "at night", "by night", "in the night", "under the stars",
        "in the moonlight", "on a starry night", "at midnight",
    ),
    "sunset": (
        "at sunset", "at sunset", "at sunset", "at dusk", "in the evening", "at sundown",
        "under an orange sky", "during the sunset",
    ),
}  # fmt: skip
PLAIN_WORDS: Final = {
    "grass": ("grass", "meadow"), "sand": ("sand", "beach", "desert"), "snow": ("snow", "winter"),
    "sea": ("sea", "ocean", "water"), "day": ("day", "daylight", "sunny"),
    "night": ("night", "stars", "moon"), "sunset": ("sunset", "dusk", "evening"),
}  # fmt: skip
OPENINGS: Final = (
    "a picture of", "a drawing of", "an illustration of", "a painting of", "an image of",
    "a photo of", "a cute drawing of", "a flat illustration of", "a small picture of",
)  # fmt: skip
CONNECTIONS: Final = (
    "a", "an", "the", "and", "to the left of", "to the right of", "next to", "beside",
)  # fmt: skip
FILLERS: Final = (
    "beautiful", "highly detailed", "masterpiece", "best quality", "cute", "charming", "lovely",
    "flat illustration", "digital art", "4k", "8k", "trending", "colourful", "colorful", "simple",
    "vector art", "children's book", "sharp", "minimal", "storybook style", "fantasy", "wonderful",
    "professional", "cinematic", "dreamy", "pretty", "tiny", "big", "happy", "peaceful", "quiet",
)  # fmt: skip


def caption(scene: Scene, rng: random.Random) -> str:
    """A random caption; some omit the place, the time or a colour."""
    chance = rng.random()
    if chance < 0.06:
        return _one_fact(scene, rng)
    if chance < 0.2:
        return _keywords(scene, rng)
    text = _things(scene, rng)
    if rng.random() < 0.3:
        text = f"{rng.choice(OPENINGS)} {text}"
    return _with_filler(" ".join([text, *_setting(scene, rng)]), rng)


def full_caption(scene: Scene, rng: random.Random) -> str:
    """A caption with all facts of the scene and no filler."""
    place, time = rng.choice(PLACE_WORDS[scene.place]), rng.choice(TIME_WORDS[scene.time])
    return f"{_things(scene, rng, no_colour_share=0.0)} {place} {time}"


def noun(thing: Thing, rng: random.Random, *, no_colour_share: float = 0.06) -> str:
    """A noun for a thing, such as `red house`, sometimes without the colour."""
    kind = rng.choice(KIND_WORDS[thing.kind])
    if rng.random() < no_colour_share:
        return kind
    return f"{rng.choice(COLOUR_WORDS.get(thing.colour, (thing.colour,)))} {kind}"


def _with_article(words: str, rng: random.Random) -> str:
    article = "an" if words[0] in "aeiou" else "a"
    return f"{rng.choice((article, article, article, article, 'the'))} {words}"


def _things(scene: Scene, rng: random.Random, *, no_colour_share: float = 0.06) -> str:
    names = [
        _with_article(noun(thing, rng, no_colour_share=no_colour_share), rng)
        for thing in scene.things
    ]
    if len(names) == 1:
        return names[0]
    left, right = names
    return rng.choice(
        (
            f"{left} to the left of {right}",
            f"{left} left of {right}",
            f"{left} on the left of {right}",
            f"{right} to the right of {left}",
            f"{right} right of {left}",
            f"{right} on the right of {left}",
            f"{left} on the left and {right} on the right",
            f"{right} on the right and {left} on the left",
            f"{left} and {right}",
            f"{left} next to {right}",
            f"{left} beside {right}",
        )
    )


def _setting(scene: Scene, rng: random.Random) -> list[str]:
    parts = []
    if rng.random() < 0.8:
        parts.append(rng.choice(PLACE_WORDS[scene.place]))
    if rng.random() < 0.8:
        parts.append(rng.choice(TIME_WORDS[scene.time]))
    rng.shuffle(parts)
    return parts


def _keywords(scene: Scene, rng: random.Random) -> str:
    """A caption of keywords, such as `red house, snow, night`."""
    words = [noun(thing, rng) for thing in scene.things]
    words += [
        rng.choice(PLAIN_WORDS[key]) for key in (scene.place, scene.time) if rng.random() < 0.7
    ]
    return _with_filler(rng.choice((", ", ", ", " ")).join(words), rng)


def _one_fact(scene: Scene, rng: random.Random) -> str:
    """A caption of one or two words, as in negative prompts."""
    thing = rng.choice(scene.things)
    facts = [thing.kind, thing.colour, f"{thing.colour} {thing.kind}"]
    facts += [rng.choice(PLAIN_WORDS[scene.place]), rng.choice(PLAIN_WORDS[scene.time])]
    return rng.choice(facts)


def _with_filler(words: str, rng: random.Random) -> str:
    if rng.random() < 0.85:
        return words
    fillers = rng.sample(FILLERS, rng.randint(0, 2)) + [
        _nonsense_word(rng) for _ in range(rng.randint(0, 2))
    ]
    return ", ".join([words, *fillers] if rng.random() < 0.7 else [*fillers, words])


def _nonsense_word(rng: random.Random) -> str:
    """A meaningless word; training with these makes unknown words have little effect."""
    syllables = (rng.choice("bcdfghklmnprstvw") + rng.choice("aeiou") for _ in range(3))
    return "".join(syllables)[: rng.randint(3, 6)] + rng.choice(("", "n", "s", "ng", "ed", "ly"))


def all_words() -> list[str]:
    """All phrases that captions consist of, on which the tokenizer is trained."""
    phrases = [*OPENINGS, *FILLERS, *PLACES, *TIMES, *COLOURS, *CONNECTIONS]
    for words in (KIND_WORDS, COLOUR_WORDS, PLACE_WORDS, TIME_WORDS, PLAIN_WORDS):
        for choices in words.values():
            phrases += choices
    return phrases
