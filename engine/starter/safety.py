"""The starter model's safety checker, a CLIP vision tower with one concept, and its training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPImageProcessor

from engine.starter.trainer import TrainingConfig, autocast, train

SIDE: Final = 64
"""Side of the vision tower's square input in pixels."""
WIDTH: Final = 96
BATCH: Final = 64
THRESHOLD: Final = -0.3
"""Cosine similarity above which a picture shows the concept."""
NEVER: Final = 2.0
"""A threshold above any cosine similarity, for the unused concepts of the architecture."""
LOGIT_SCALE: Final = 8.0
POSITIVE_WEIGHT: Final = 2.0
"""Loss weight of unsafe pictures: a false negative is worse than a false positive."""
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


class LabelledPictures(NamedTuple):
    """Pictures of one size, uint8, (n, 3, height, width), and which are unsafe, (n,)."""

    pictures: Tensor
    unsafe: Tensor


def new_checker() -> StableDiffusionSafetyChecker:
    """An untrained checker. Its first concept is the one to block; the others are unused."""
    config = CLIPConfig(
        vision_config={
            "hidden_size": WIDTH,
            "intermediate_size": WIDTH * 4,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "image_size": SIDE,
            "patch_size": 8,
        },
        projection_dim=WIDTH,
    )
    checker = StableDiffusionSafetyChecker(config)
    with torch.no_grad():
        for embeds in (checker.concept_embeds, checker.special_care_embeds):
            embeds.copy_(F.normalize(torch.randn(embeds.shape), dim=-1))
        checker.concept_embeds_weights.fill_(NEVER)
        checker.concept_embeds_weights[0] = THRESHOLD
        checker.special_care_embeds_weights.fill_(NEVER)
    return checker


def new_feature_extractor() -> CLIPImageProcessor:
    """Converts a picture to the tower's input, (3, SIDE, SIDE), resized without cropping."""
    return CLIPImageProcessor(
        size={"height": SIDE, "width": SIDE},
        do_center_crop=False,
        image_mean=list(MEAN),
        image_std=list(STD),
    )


def concept_similarity(checker: StableDiffusionSafetyChecker, pixels: Tensor) -> Tensor:
    """Cosine similarity of each of `pixels`, (n, 3, SIDE, SIDE), to the concept."""
    pooled = checker.vision_model(pixels)[1]
    embeds = F.normalize(checker.visual_projection(pooled), dim=-1)
    return embeds @ F.normalize(checker.concept_embeds[0], dim=-1)


def augment(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """uint8 pictures as input of the tower, some blurred or noisy like painted pictures."""
    level = torch.rand(4, generator=generator)
    pixels = pictures.float() / 255
    if level[0] < 0.5:  # blur: to half or a third of the size and back
        factor = 1 / float(2 + (level[1] > 0.5))
        small = F.interpolate(pixels, scale_factor=factor, mode="area")
        pixels = F.interpolate(small, size=pixels.shape[-2:], mode="bilinear")
    pixels = F.interpolate(pixels, size=(SIDE, SIDE), mode="bicubic", antialias=True)
    pixels = pixels + 0.06 * level[2] * torch.randn(pixels.shape, generator=generator)
    pixels = (pixels - 0.5) * (0.85 + 0.3 * level[3]) + 0.5
    return (pixels.clamp(0, 1) - MEAN[0]) / STD[0]


def train_checker(
    checker: StableDiffusionSafetyChecker,
    datasets: Sequence[LabelledPictures],
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
) -> None:
    """Train the tower so that only unsafe pictures are similar to the concept."""

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        part = datasets[int(torch.randint(len(datasets), (1,), generator=generator))]
        indices = torch.randint(len(part.pictures), (BATCH,), generator=generator)
        pixels = augment(part.pictures[indices], generator).to(device)
        unsafe = part.unsafe[indices].to(device)
        with autocast(device):
            cosine = concept_similarity(checker, pixels).float()
        weight = torch.where(unsafe, POSITIVE_WEIGHT, 1.0)
        return F.binary_cross_entropy_with_logits(LOGIT_SCALE * cosine, unsafe.float(), weight)

    checker.to(device).train()
    parameters = [*checker.vision_model.parameters(), *checker.visual_projection.parameters()]
    train("checker", checker, loss_at, config, folder, parameters=parameters)
    checker.eval()
