"""Classify pictures of scenes: kinds of things, their colours, place and time of day.

The network is trained on rendered scenes alone, not on pictures that the model paints.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from engine.starter.objects import BODIES, OBJECTS
from engine.starter.scenes import COLOURS, PLACES, TIMES, Scene, nominal_position

CLASSIFIER_FILE: Final = "classifier.safetensors"
KINDS: Final = tuple(OBJECTS)
NOTHING: Final = len(KINDS)
"""The class of the right kind in a scene with one thing."""
NEAR: Final = 70.0
"""Distance in RGB levels at which a pixel still counts as a named colour."""


class SceneClassifier(nn.Module):
    """Maps pixels, (n, 3, 64, 64), to logits of the left (or only) kind, the right kind, the place
    and the time."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 32), (32, 64), (64, 96), (96, 128)):
            layers += [
                nn.Conv2d(before, after, 3, padding=1),
                nn.GroupNorm(8, after),
                nn.SiLU(),
                nn.MaxPool2d(2),
            ]
        # These two names are keys in the file of weights.
        self._look = nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 16, 256), nn.SiLU())
        self._heads = nn.ModuleList(
            nn.Linear(256, n) for n in (len(KINDS), len(KINDS) + 1, len(PLACES), len(TIMES))
        )

    def forward(self, pixels: Tensor) -> list[Tensor]:
        features = self._look(pixels)
        return [head(features) for head in self._heads]


def load_classifier(folder: Path) -> SceneClassifier:
    """The classifier in CLASSIFIER_FILE of this folder, in fp32."""
    classifier = SceneClassifier()
    classifier.load_state_dict(
        {k: v.float() for k, v in load_file(folder / CLASSIFIER_FILE).items()}
    )
    return classifier.eval()


@dataclass(frozen=True)
class Prediction:
    """The classes of one picture, by name."""

    kinds: tuple[str, ...]
    place: str
    time: str


@torch.no_grad()
def probabilities(classifier: SceneClassifier, pictures: Tensor) -> list[Tensor]:
    """Those of the classes of each head, (n, classes), for uint8 pictures, (n, 3, height,
    width)."""
    pixels = F.interpolate(
        pictures.float() / 255, size=(64, 64), mode="bicubic", antialias=True
    ).clamp(0, 1)
    return [logits.softmax(-1) for logits in classifier((pixels - 0.5) / 0.25)]


def classify(classifier: SceneClassifier, pictures: Tensor) -> list[Prediction]:
    """The predictions for uint8 pictures, (n, 3, height, width)."""
    classes = [scores.argmax(-1).tolist() for scores in probabilities(classifier, pictures)]
    return [
        Prediction(
            tuple(KINDS[k] for k in (left, right) if k != NOTHING), PLACES[place], TIMES[time]
        )
        for left, right, place, time in zip(*classes, strict=True)
    ]


def detect_colours(picture: NDArray[np.uint8], scene: Scene) -> tuple[str, ...]:
    """The colour of each thing in a picture, (height, width, 3).

    It is the named colour that is nearest to most pixels of the region in which the body of a thing
    of this kind is drawn. Pixels that are far from all named colours are ignored.
    """
    height, width, _ = picture.shape
    colours = []
    for nth, thing in enumerate(scene.things):
        x, y, tall = nominal_position((width, height), nth, len(scene.things))
        left, bottom, right, top = BODIES[thing.kind]
        body = picture[int(y - top * tall) : int(y - bottom * tall)]
        colours.append(_main_colour(body[:, int(x + left * tall) : int(x + right * tall)]))
    return tuple(colours)


def _main_colour(pixels: NDArray[np.uint8]) -> str:
    palette = np.array(list(COLOURS.values()), dtype=np.float32)
    flat = pixels.reshape(-1, 3).astype(np.float32)
    distance = np.linalg.norm(flat[:, None] - palette[None], axis=-1)
    nearest = distance.argmin(-1)[distance.min(-1) < NEAR]
    return list(COLOURS)[int(np.bincount(nearest, minlength=len(palette)).argmax())]
