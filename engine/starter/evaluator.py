"""Judges of finished pictures: what stands in them, in which colour, where and when.

The classifier learns from drawn scenes alone and never sees what the model paints.
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

from engine.starter.dataset import Drawn
from engine.starter.objects import BODIES, OBJECTS
from engine.starter.safety import prepared
from engine.starter.scenes import COLOURS, PLACES, TIMES, Scene, stand
from engine.starter.trainer import Plan, train

KINDS: Final = tuple(OBJECTS)
NOTHING: Final = len(KINDS)
"""The class of an empty right half: a scene with one thing."""
BATCH: Final = 64
NEAR: Final = 70.0
"""Distance in RGB levels at which a pixel still counts as a named colour."""


class Judge(nn.Module):
    """Looks at (n, 3, 64, 64) and tells the kind on the left (or alone), right, place and time."""

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
        self._look = nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 16, 256), nn.SiLU())
        self._heads = nn.ModuleList(
            nn.Linear(256, n) for n in (len(KINDS), len(KINDS) + 1, len(PLACES), len(TIMES))
        )

    def forward(self, pixels: Tensor) -> list[Tensor]:
        seen = self._look(pixels)
        return [head(seen) for head in self._heads]


def answers(scene: Scene) -> tuple[int, int, int, int]:
    """What the judge should say of a scene."""
    kinds = [KINDS.index(thing.kind) for thing in scene.things] + [NOTHING]
    return kinds[0], kinds[1], PLACES.index(scene.place), TIMES.index(scene.time)


def train_judge(
    judge: Judge, drawn: list[Drawn], plan: Plan, folder: Path, device: torch.device
) -> None:
    """Teach the judge on drawn scenes, some blurred and noisy."""

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        part = drawn[int(torch.randint(len(drawn), (1,), generator=generator))]
        chosen = torch.randint(len(part.scenes), (BATCH,), generator=generator)
        pixels = prepared(part.pictures[chosen], generator).to(device)
        wanted = torch.tensor([answers(part.scenes[i]) for i in chosen.tolist()], device=device)
        told = judge(pixels)
        losses = [F.cross_entropy(head, wanted[:, i]) for i, head in enumerate(told)]
        return torch.stack(losses).sum()

    judge.to(device).train()
    train("judge", judge, loss_at, plan, folder)
    judge.eval()


@dataclass(frozen=True)
class Sight:
    """What the judge sees in one picture."""

    kinds: tuple[str, ...]
    place: str
    time: str


@torch.no_grad()
def look(judge: Judge, pictures: Tensor) -> list[Sight]:
    """The judge's view of uint8 pictures, (n, 3, height, width), unblurred."""
    pixels = F.interpolate(
        pictures.float() / 255, size=(64, 64), mode="bicubic", antialias=True
    ).clamp(0, 1)
    told = [head.argmax(-1).tolist() for head in judge((pixels - 0.5) / 0.25)]
    return [
        Sight(tuple(KINDS[k] for k in (left, right) if k != NOTHING), PLACES[place], TIMES[time])
        for left, right, place, time in zip(*told, strict=True)
    ]


def colours_seen(picture: NDArray[np.uint8], scene: Scene) -> tuple[str, ...]:
    """The colour of each thing by its pixels, (height, width, 3).

    It is the named colour that most pixels of the thing's body are nearest to, where bodies of
    that kind are drawn; pixels near none do not count.
    """
    height, width, _ = picture.shape
    seen = []
    for nth, thing in enumerate(scene.things):
        x, y, tall = stand((width, height), nth, len(scene.things))
        left, bottom, right, top = BODIES[thing.kind]
        body = picture[int(y - top * tall) : int(y - bottom * tall)]
        seen.append(_main_colour(body[:, int(x + left * tall) : int(x + right * tall)]))
    return tuple(seen)


def _main_colour(pixels: NDArray[np.uint8]) -> str:
    palette = np.array(list(COLOURS.values()), dtype=np.float32)
    flat = pixels.reshape(-1, 3).astype(np.float32)
    distance = np.linalg.norm(flat[:, None] - palette[None], axis=-1)
    nearest = distance.argmin(-1)[distance.min(-1) < NEAR]
    return list(COLOURS)[int(np.bincount(nearest, minlength=len(palette)).argmax())]


def share(hits: Sequence[bool]) -> float:
    """The share of hits, 0 to 1."""
    return sum(hits) / len(hits)
