"""The options of the training command, and the configs of its trainings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Final

import torch
from diffusers import AutoencoderKL

from engine.starter.dataset import RenderedScenes, render_scenes, sample_scenes
from engine.starter.denoiser import TextConditioner
from engine.starter.export import MODEL_FOLDER, load_conditioner
from engine.starter.scenes import SIZES, Scene, random_scene
from engine.starter.trainer import TrainingConfig, rank_and_world_size

# Steps are for four processes; one process needs about four times as many.
CONFIGS: Final = {
    "autoencoder": TrainingConfig(16_000, 3e-3),
    "denoiser": TrainingConfig(4_800, 1e-3, warmup=300, average=0.999),
    "distill_guidance": TrainingConfig(5_500, 1e-3, warmup=100, average=0.998),
    "checker": TrainingConfig(8_000, 1e-3, average=0.99),
    "classifier": TrainingConfig(1_500, 1e-3, average=0.99),
    "student": TrainingConfig(4_000, 4e-4, warmup=50, average=0.99),
    "decoder": TrainingConfig(2_500, 5e-4, warmup=50, average=0.995, batch=4),
    "refine": TrainingConfig(5_500, 1e-3, warmup=100, average=0.999),
    "scribble": TrainingConfig(4_000, 8e-4, warmup=50, average=0.997),
    "instructions": TrainingConfig(1_500, 6e-4, warmup=50),
    "edit": TrainingConfig(6_000, 5e-4, warmup=50, average=0.997),
    "style": TrainingConfig(1_500, 3e-3, warmup=30, average=0.99),
    "image_encoder": TrainingConfig(3_000, 1e-3, warmup=50),
    "image_adapter": TrainingConfig(2_000, 5e-3, warmup=50, average=0.99, batch=64),
    "image_adapter_whole": TrainingConfig(1_500, 1e-3, warmup=20, average=0.98, batch=24),
}
SHARES: Final = (0.7, 0.15, 0.15)
"""Shares of the scenes with each of SIZES."""
SampleScene = Callable[[Random], Scene]
RenderArguments = tuple[int, tuple[int, int], int, SampleScene]


@dataclass(frozen=True)
class Run:
    """The options of the command."""

    work: Path
    out: Path
    device: torch.device
    scenes: int
    paintings: int
    paths: int
    batch: int | None = None
    """Instead of the config's."""
    minutes: float | None = None
    """The time of a training, instead of the config's steps."""

    def config(self, name: str) -> TrainingConfig:
        """The config of a training with the options of the command."""
        config = CONFIGS[name]
        seconds = None if self.minutes is None else 60 * self.minutes
        return replace(config, batch=self.batch or config.batch, seconds=seconds)

    def render(
        self, total: int, seed: int, sample: SampleScene = random_scene
    ) -> list[RenderedScenes]:
        """Scenes of each of SIZES with their pictures; each process renders its share."""
        return [render_scenes(*arguments) for arguments in self._arguments(total, seed, sample)]

    def sample(self, total: int, seed: int, sample: SampleScene) -> list[list[Scene]]:
        """The scenes that `render` renders, without their pictures."""
        return [sample_scenes(*arguments) for arguments in self._arguments(total, seed, sample)]

    def _arguments(self, total: int, seed: int, sample: SampleScene) -> Iterator[RenderArguments]:
        rank, world_size = rank_and_world_size()
        for size, share in zip(SIZES, SHARES, strict=True):
            yield int(total * share / world_size), size, seed + 1000 * rank, sample

    def finished_vae(self) -> AutoencoderKL:
        """The VAE of the finished model."""
        return AutoencoderKL.from_pretrained(self.out / MODEL_FOLDER / "vae", use_safetensors=True)

    def finished_model(self) -> TextConditioner:
        """Text encoder and UNet of the finished model, on the device."""
        return load_conditioner(self.out / MODEL_FOLDER).to(self.device).eval()
