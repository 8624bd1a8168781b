"""Classify pictures: kinds of things, their colours, place and time of day.

The network is trained on rendered scenes alone, not on pictures that the model paints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from engine.starter.dataset import RenderedScenes
from engine.starter.objects import BODIES, OBJECTS
from engine.starter.safety import augment
from engine.starter.scenes import COLOURS, PLACES, TIMES, Scene, nominal_position
from engine.starter.trainer import TrainingConfig, train

KINDS: Final = tuple(OBJECTS)
NOTHING: Final = len(KINDS)
"""The class of the right kind in a scene with one thing."""
BATCH: Final = 64
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


def labels(scene: Scene) -> tuple[int, int, int, int]:
    """The classes of a scene."""
    kinds = [KINDS.index(thing.kind) for thing in scene.things] + [NOTHING]
    return kinds[0], kinds[1], PLACES.index(scene.place), TIMES.index(scene.time)


def train_classifier(
    classifier: SceneClassifier,
    scenes: list[RenderedScenes],
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
) -> None:
    """Train on rendered scenes, some of them blurred or noisy."""

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        part = scenes[int(torch.randint(len(scenes), (1,), generator=generator))]
        indices = torch.randint(len(part.scenes), (BATCH,), generator=generator)
        pixels = augment(part.pictures[indices], generator).to(device)
        targets = torch.tensor([labels(part.scenes[i]) for i in indices.tolist()], device=device)
        heads = classifier(pixels)
        losses = [F.cross_entropy(logits, targets[:, i]) for i, logits in enumerate(heads)]
        return torch.stack(losses).sum()

    classifier.to(device).train()
    train("classifier", classifier, loss_at, config, folder)
    classifier.eval()


@dataclass(frozen=True)
class Prediction:
    """The classes of one picture, by name."""

    kinds: tuple[str, ...]
    place: str
    time: str


@torch.no_grad()
def classify(classifier: SceneClassifier, pictures: Tensor) -> list[Prediction]:
    """The predictions for uint8 pictures, (n, 3, height, width)."""
    pixels = F.interpolate(
        pictures.float() / 255, size=(64, 64), mode="bicubic", antialias=True
    ).clamp(0, 1)
    classes = [logits.argmax(-1).tolist() for logits in classifier((pixels - 0.5) / 0.25)]
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


def share(hits: Sequence[bool]) -> float:
    """The share of hits, 0 to 1."""
    return sum(hits) / len(hits)
