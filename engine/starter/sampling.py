"""What the model paints of scenes, by diffusers' own pipeline and without the safety check."""

import random
from typing import Final

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from engine.starter.captions import full_caption
from engine.starter.dataset import Drawn
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
    done = []
    for start in tqdm(range(0, len(prompts), BATCH), "painting", mininterval=2):
        batch = prompts[start : start + BATCH]
        generators = [torch.Generator().manual_seed(seed + start + i) for i in range(len(batch))]
        images = pipeline(
            batch, num_inference_steps=steps, guidance_scale=guidance, generator=generators
        ).images
        done += [np.asarray(image) for image in images]
    return np.stack(done)


def paint_scenes(
    pipeline: StableDiffusionPipeline, scenes: list[Scene], seed: int, steps: int = 25
) -> Drawn:
    """The scenes as the model paints them from their captions."""
    rng = random.Random(seed)  # noqa: S311 - a seed, not a secret
    pictures = paint(pipeline, [full_caption(scene, rng) for scene in scenes], seed, steps)
    return Drawn(scenes, as_tensor(pictures))


def as_tensor(pictures: Pictures) -> Tensor:
    """The same pictures as (n, 3, height, width)."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2)
