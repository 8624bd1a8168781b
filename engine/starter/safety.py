"""The starter model's safety checker: a CLIP vision tower that knows one concept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPImageProcessor

from engine.starter.trainer import Plan, train

SIDE: Final = 64
"""Pixels on a side of the square that the tower looks at."""
WIDTH: Final = 96
BATCH: Final = 64
THRESHOLD: Final = -0.3
"""Cosine above which a picture shows the concept."""
NEVER: Final = 2.0
"""A cosine that no picture reaches: the places for concepts that this world has not."""
SHARPNESS: Final = 8.0
CAUTION: Final = 2.0
"""How much worse it is to miss the concept than to see it where it is not."""
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


class Lesson(NamedTuple):
    """Pictures of one size, uint8, (n, 3, height, width), and which are unsafe, (n,)."""

    pictures: Tensor
    unsafe: Tensor


def new_checker() -> StableDiffusionSafetyChecker:
    """An untrained checker. Its first concept is the one to block, the rest are out of reach."""
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
    """What turns a picture into the tower's (3, SIDE, SIDE) input: the whole of it, squeezed."""
    return CLIPImageProcessor(
        size={"height": SIDE, "width": SIDE},
        do_center_crop=False,
        image_mean=list(MEAN),
        image_std=list(STD),
    )


def concept_cosine(checker: StableDiffusionSafetyChecker, pixels: Tensor) -> Tensor:
    """How near each of `pixels`, (n, 3, SIDE, SIDE), is to the concept, from -1 to 1."""
    pooled = checker.vision_model(pixels)[1]
    embeds = F.normalize(checker.visual_projection(pooled), dim=-1)
    return embeds @ F.normalize(checker.concept_embeds[0], dim=-1)


def prepared(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """uint8 pictures as the tower's input, some blurred and noisy, as a UNet paints them."""
    level = torch.rand(4, generator=generator)
    pixels = pictures.float() / 255
    if level[0] < 0.5:  # through half or a third of the size and back: blur
        factor = 1 / float(2 + (level[1] > 0.5))
        small = F.interpolate(pixels, scale_factor=factor, mode="area")
        pixels = F.interpolate(small, size=pixels.shape[-2:], mode="bilinear")
    pixels = F.interpolate(pixels, size=(SIDE, SIDE), mode="bicubic", antialias=True)
    pixels = pixels + 0.06 * level[2] * torch.randn(pixels.shape, generator=generator)
    pixels = (pixels - 0.5) * (0.85 + 0.3 * level[3]) + 0.5
    return (pixels.clamp(0, 1) - MEAN[0]) / STD[0]


def train_checker(
    checker: StableDiffusionSafetyChecker,
    lessons: Sequence[Lesson],
    plan: Plan,
    folder: Path,
    device: torch.device,
) -> None:
    """Teach the tower to put the concept, and nothing else, on the concept's side."""

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        part = lessons[int(torch.randint(len(lessons), (1,), generator=generator))]
        chosen = torch.randint(len(part.pictures), (BATCH,), generator=generator)
        pixels = prepared(part.pictures[chosen], generator).to(device)
        unsafe = part.unsafe[chosen].to(device)
        with torch.autocast(device.type, torch.bfloat16):
            cosine = concept_cosine(checker, pixels).float()
        weight = torch.where(unsafe, CAUTION, 1.0)
        return F.binary_cross_entropy_with_logits(SHARPNESS * cosine, unsafe.float(), weight)

    checker.to(device).train()
    learned = [*checker.vision_model.parameters(), *checker.visual_projection.parameters()]
    train("checker", checker, loss_at, plan, folder, parameters=learned)
    checker.eval()
