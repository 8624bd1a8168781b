"""Classifiers of things in styled pictures, in which those of coloured ones see little."""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from engine.starter.dataset import RenderedScenes, render_scenes
from engine.starter.evaluator import train_classifier
from engine.starter.sampling import as_tensor
from engine.starter.scene_classifier import SceneClassifier
from engine.starter.steering.styles import STYLES
from engine.starter.trainer import TrainingConfig

SCENES: Final = 3000
TRAINING: Final = TrainingConfig(steps=900, rate=1e-3, warmup=50)
_SIZE: Final = (128, 128)
_SEED: Final = 960
"""Neither that of the training's scenes nor that of the evaluation's."""


def style_classifier(
    style: str,
    classifier: SceneClassifier,
    work: Path,
    device: torch.device,
    *,
    count: int = SCENES,
    config: TrainingConfig = TRAINING,
) -> SceneClassifier:
    """The classifier of pictures in a style, on a CPU: trained on `count` styled renderings, or
    read from the folder `work`, into which it is written.

    `classifier`, whose weights it begins with, is that of coloured pictures; it is changed.
    """
    file = work / f"classifier-{style}.safetensors"
    if file.exists():
        classifier.load_state_dict(load_file(file))
        return classifier.eval()
    scenes = render_scenes(count, _SIZE, _SEED)
    pictures = [
        np.asarray(STYLES[style](Image.fromarray(picture)))
        for picture in scenes.pictures.permute(0, 2, 3, 1).numpy()
    ]
    styled = RenderedScenes(scenes.scenes, as_tensor(np.stack(pictures)))
    train_classifier(classifier, [styled], config, work / f"classifier-{style}", device)
    classifier.cpu()
    save_file(classifier.state_dict(), file)
    return classifier
