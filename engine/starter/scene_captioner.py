"""Describe pictures in the words that the starter knows, by its classifier of scenes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.contract import TextModelCard
from engine.starter.captions import PLACE_WORDS, TIME_WORDS
from engine.starter.objects import UNSAFE
from engine.starter.scene_classifier import (
    KINDS,
    NOTHING,
    SceneClassifier,
    detect_colours,
    load_classifier,
    probabilities,
)
from engine.starter.scenes import COLOURS, PLACES, TIMES, Scene, Thing

LEAST: Final = 0.6
"""The probability of what is said."""
CARD: Final = TextModelCard(
    name="starter",
    licence="mit",
    limits=(
        f"A small classifier wrote this. It knows {len(KINDS) - 1} things ("
        f"{', '.join(kind for kind in KINDS if kind != UNSAFE)}), {len(COLOURS)} colours, "
        f"{len(PLACES)} places and {len(TIMES)} times of day, and takes everything for one of them."
    ),
)


class SceneCaptioner:
    """Implements Captioner with the classifier of rendered scenes."""

    def __init__(self, classifier: SceneClassifier) -> None:
        self.card = CARD
        self._classifier = classifier

    def describe(self, image: Image.Image) -> tuple[str, ...]:
        """The things with their setting, and the things alone; none if no thing is likely."""
        pixels = np.asarray(image.convert("RGB"))
        picture = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]
        left, right, place, time = (head[0] for head in probabilities(self._classifier, picture))
        kinds = [KINDS[kind] for kind in _likely_kinds(left, right)]
        if not kinds:
            return ()
        scene = Scene(tuple(Thing(kind, "") for kind in kinds), "", "")
        names = map(_with_article, detect_colours(pixels, scene), kinds)
        things = " to the left of ".join(names)
        setting = [
            *_likely([words[0] for words in map(PLACE_WORDS.__getitem__, PLACES)], place),
            *_likely([words[0] for words in map(TIME_WORDS.__getitem__, TIMES)], time),
        ]
        return tuple(dict.fromkeys((" ".join([things, *setting]), things)))


def load_scene_captioner() -> SceneCaptioner:
    """The one whose weights are part of the project."""
    return SceneCaptioner(load_classifier(Path(__file__).parent))


def _likely_kinds(left: Tensor, right: Tensor) -> Iterator[int]:
    for head in (left, right):
        kind = int(head.argmax())
        if kind != NOTHING and float(head[kind]) >= LEAST:
            yield kind


def _likely(names: Sequence[str], head: Tensor) -> Iterator[str]:
    best = int(head.argmax())
    if float(head[best]) >= LEAST:
        yield names[best]


def _with_article(colour: str, kind: str) -> str:
    article = "an" if colour[0] in "aeiou" else "a"
    return f"{article} {colour} {kind}"
