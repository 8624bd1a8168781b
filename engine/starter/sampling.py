"""Paint prompts and scenes with diffusers' own pipeline."""

import random
from typing import Final

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from engine.starter.captions import full_caption
from engine.starter.dataset import RenderedScenes
from engine.starter.scenes import Scene

BATCH: Final = 16
Pictures = NDArray[np.uint8]


def paint(
    pipeline: StableDiffusionPipeline,
    prompts: list[str],
    seed: int,
    steps: int = 25,
    guidance: float = 5.0,
) -> Pictures:
    """Pictures, (n, 128, 128, 3), of the prompts; the nth has seed + n."""
    pictures = []
    for start in tqdm(range(0, len(prompts), BATCH), "painting", mininterval=2):
        batch = prompts[start : start + BATCH]
        generators = [torch.Generator().manual_seed(seed + start + i) for i in range(len(batch))]
        images = pipeline(
            batch, num_inference_steps=steps, guidance_scale=guidance, generator=generators
        ).images
        pictures += [np.asarray(image) for image in images]
    return np.stack(pictures)


def paint_scenes(
    pipeline: StableDiffusionPipeline, scenes: list[Scene], seed: int, steps: int = 25
) -> RenderedScenes:
    """The scenes with the pictures that the model paints from their captions."""
    rng = random.Random(seed)  # noqa: S311 - a seed, not a secret
    pictures = paint(pipeline, [full_caption(scene, rng) for scene in scenes], seed, steps)
    return RenderedScenes(scenes, as_tensor(pictures))


def as_tensor(pictures: Pictures) -> Tensor:
    """From (n, height, width, 3) to a tensor (n, 3, height, width)."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2)
