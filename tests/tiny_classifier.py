"""An image classifier of random weights with constant outputs."""

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

SIDE = 32


def save(
    folder: Path,
    labels: Sequence[str] = ("normal", "nsfw"),
    probabilities: Sequence[float] = (0.8, 0.2),
) -> Path:
    """Write the classifier as a folder of transformers; every image gets these probabilities."""
    torch.manual_seed(22)
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=SIDE,
        patch_size=16,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    network = ViTForImageClassification(config)
    with torch.no_grad():
        network.classifier.weight.zero_()
        network.classifier.bias.copy_(torch.tensor(probabilities).log())
    network.save_pretrained(folder)
    ViTImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder
