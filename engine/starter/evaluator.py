"""Train the classifier of scenes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.starter.dataset import RenderedScenes
from engine.starter.safety import augment
from engine.starter.scene_classifier import KINDS, NOTHING, SceneClassifier
from engine.starter.scenes import PLACES, TIMES, Scene
from engine.starter.trainer import TrainingConfig, train

BATCH: Final = 64


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


def share(hits: Sequence[bool]) -> float:
    """The share of hits, 0 to 1."""
    return sum(hits) / len(hits)
