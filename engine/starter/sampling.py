"""Paint prompts and scenes with diffusers' own pipeline."""

import random
from typing import Final, NamedTuple

import numpy as np
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from engine.models.checkpoint_loading import load_from_checkpoint
from engine.models.defaults import STARTER_GUIDANCE
from engine.models.description import distillation_in, read_scheduler_config
from engine.schedulers import make_scheduler
from engine.starter.captions import full_caption
from engine.starter.dataset import RenderedScenes
from engine.starter.scenes import Scene
from engine.weights.model_files import find_model_files

BATCH: Final = 16
STEPS: Final = 25
Pictures = NDArray[np.uint8]


class Painter(NamedTuple):
    """A pipeline without safety checker, and the settings that suit its model."""

    pipeline: StableDiffusionPipeline
    steps: int
    guidance: float


def load_painter(name: str) -> Painter:
    """The model of this name, as in IMAGINE_MODEL: with the sampler that the engine would use if it
    is distilled, else with its own scheduler."""
    files = find_model_files(name)
    pipeline = StableDiffusionPipeline.from_pretrained(
        files.folder, use_safetensors=True, safety_checker=None
    )
    pipeline.set_progress_bar_config(disable=True)
    if files.checkpoint is not None:
        pipeline.unet = load_from_checkpoint(
            UNet2DConditionModel,
            files.checkpoint,
            "unet",
            files.folder / "unet",
            torch.float32,
        ).eval()
    distillation = distillation_in(files)
    if distillation is None:
        return Painter(pipeline, STEPS, STARTER_GUIDANCE)
    pipeline.scheduler = make_scheduler(distillation.sampler, read_scheduler_config(files))
    return Painter(pipeline, distillation.steps, distillation.guidance)


def paint(
    pipeline: StableDiffusionPipeline,
    prompts: list[str],
    seed: int,
    steps: int = STEPS,
    guidance: float = STARTER_GUIDANCE,
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
    pipeline: StableDiffusionPipeline, scenes: list[Scene], seed: int, steps: int = STEPS
) -> RenderedScenes:
    """The scenes with the pictures that the model paints from their captions."""
    rng = random.Random(seed)  # noqa: S311 - a seed, not a secret
    pictures = paint(pipeline, [full_caption(scene, rng) for scene in scenes], seed, steps)
    return RenderedScenes(scenes, as_tensor(pictures))


def as_tensor(pictures: Pictures) -> Tensor:
    """From (n, height, width, 3) to a tensor (n, 3, height, width)."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2)
