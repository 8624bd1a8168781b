"""The starter model's few-step student: the paths of its teacher, and training on them.

The teacher is the starter itself, with guidance. From the noise of a picture to the picture, its
latents follow a path. The student has STEPS evaluations for the whole path, without guidance: each
must lead from one state of the path to the next one that it is trained on.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    UNet2DConditionModel,
)
from torch import Tensor
from tqdm import tqdm

from engine.starter.autoencoder import CHANNELS
from engine.starter.captions import caption, full_caption
from engine.starter.denoiser import NOISE_SCHEDULE, TextConditioner
from engine.starter.scenes import Scene
from engine.starter.thing_weights import LATENT_PIXEL, weights_by_count
from engine.starter.trainer import TrainingConfig, autocast, train

STEPS: Final = 8
TEACHER_STEPS: Final = 16
GUIDANCE: Final = 5.0
PAINTED_TOGETHER: Final = {"cpu": 16, "cuda": 512}
"""Pictures whose paths are followed together, by the type of the device."""


@dataclass(frozen=True)
class Paths:
    """Paths of pictures of one size, with their prompts.

    `states`, (n, STEPS + 1, 8, h, w), are the latents from noise to the finished picture, scaled as
    the UNet's input; `weights`, (n, h, w), are the loss weights of their pixels.
    """

    prompts: list[str]
    states: Tensor
    weights: Tensor


def new_few_step_scheduler() -> EulerDiscreteScheduler:
    """The scheduler of the student, whose steps begin at the last timestep."""
    return EulerDiscreteScheduler(**NOISE_SCHEDULE, timestep_spacing="trailing")


@torch.inference_mode()
def teacher_paths(
    teacher: TextConditioner, scenes: Sequence[Scene], prompts: list[str], noise: Tensor
) -> Paths:
    """The paths from `noise`, (n, 8, h, w), to pictures of the prompts of these scenes."""
    embeds = torch.cat([teacher.embed([""] * len(prompts)), teacher.embed(prompts)])
    scheduler = DPMSolverMultistepScheduler(**NOISE_SCHEDULE, timestep_spacing="trailing")
    scheduler.set_timesteps(TEACHER_STEPS, noise.device)
    latents, states = noise, [noise]
    for i, timestep in enumerate(scheduler.timesteps):
        predicted = teacher.unet(torch.cat([latents] * 2), timestep, embeds).sample
        noise_pred_uncond, noise_pred_text = predicted.chunk(2)
        guided = noise_pred_uncond + GUIDANCE * (noise_pred_text - noise_pred_uncond)
        latents = scheduler.step(guided, timestep, latents).prev_sample
        if (i + 1) % (TEACHER_STEPS // STEPS) == 0:
            states.append(latents)
    counts = torch.tensor([len(scene.things) for scene in scenes])
    weights = weights_by_count(noise.shape[-2:])[counts]
    return Paths(prompts, torch.stack(states, dim=1).half().cpu(), weights)


def trace(
    teacher: TextConditioner, scenes: Sequence[Scene], size: tuple[int, int], seed: int
) -> Paths:
    """The paths to pictures, of `size` pixels, of captions of these scenes."""
    rng = random.Random(seed)  # noqa: S311 - a seed, not a secret
    prompts = [rng.choice((caption, full_caption))(scene, rng) for scene in scenes]
    shape = (len(scenes), CHANNELS, size[1] // LATENT_PIXEL, size[0] // LATENT_PIXEL)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    device = teacher.unet.device
    together = PAINTED_TOGETHER.get(device.type, PAINTED_TOGETHER["cpu"])
    parts = [
        teacher_paths(
            teacher,
            scenes[start : start + together],
            prompts[start : start + together],
            noise[start : start + together].to(device),
        )
        for start in tqdm(range(0, len(scenes), together), "paths", mininterval=2)
    ]
    return joined(parts)


def joined(parts: Sequence[Paths]) -> Paths:
    """The paths of these parts, at least one, which have the same size."""
    return Paths(
        [prompt for part in parts for prompt in part.prompts],
        torch.cat([part.states for part in parts]),
        torch.cat([part.weights for part in parts]),
    )


def save_paths(paths: Paths, file: Path) -> None:
    """Write the paths; the file is there when it is complete."""
    draft = file.with_suffix(".tmp")
    torch.save(asdict(paths), draft)
    draft.replace(file)


def load_paths(files: Sequence[Path]) -> Paths:
    """The paths in these files, at least one."""
    return joined([Paths(**torch.load(file, weights_only=True)) for file in files])


class StepTargets:
    """The noise predictions with which the student's sampler steps from state to state."""

    def __init__(self) -> None:
        scheduler = new_few_step_scheduler()
        scheduler.set_timesteps(STEPS)
        self.timesteps = scheduler.timesteps
        """(STEPS,)"""
        self._sigmas = scheduler.sigmas
        self._signals = (self._sigmas.square() + 1).rsqrt()
        self._signals[0] = 1 / scheduler.init_noise_sigma  # the sampler takes the noise as whole
        after = self._signals[1:] * (self._sigmas[:-1] - self._sigmas[1:])
        self.weights = after.square().clamp(min=1.0)
        """(STEPS,): the squared effect of an error of each prediction on the next state, at least
        1, so that the last steps are not neglected."""

    def target(self, before: Tensor, after: Tensor, steps: Tensor) -> Tensor:
        """The prediction that leads from `before` to `after`, (n, 8, h, w), in `steps`, (n,)."""

        def at(values: Tensor, indices: Tensor) -> Tensor:
            return values[indices].reshape(-1, 1, 1, 1).to(before.device)

        difference = before / at(self._signals, steps) - after / at(self._signals, steps + 1)
        return difference / (at(self._sigmas, steps) - at(self._sigmas, steps + 1))


def train_student(
    teacher: TextConditioner,
    student: UNet2DConditionModel,
    paths: Sequence[Paths],
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
    *,
    save_every: float = 120.0,
) -> None:
    """Train the student, which starts with the weights of its teacher, on these paths.

    `save_every` is in seconds.
    """
    targets = StepTargets()
    sizes = torch.tensor([float(len(part.prompts)) for part in paths])
    with torch.inference_mode():
        embeds = [_embed_all(teacher, part.prompts).clone() for part in paths]
    states = [part.states.to(device) for part in paths]
    steps = torch.arange(config.batch) % STEPS

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        nth = int(torch.multinomial(sizes, 1, generator=generator))
        part = paths[nth]
        indices = torch.randint(len(part.prompts), (config.batch,), generator=generator)
        chosen = indices.to(device)
        before, after = (states[nth][chosen, (steps + i).to(device)].float() for i in (0, 1))
        target = targets.target(before, after, steps)
        with autocast(device):
            predicted = student(
                before.contiguous(memory_format=torch.channels_last),
                targets.timesteps[steps].to(device),
                embeds[nth][chosen].float(),
            ).sample
        errors = (predicted.float() - target).square().mean(dim=1)
        errors = errors * part.weights[indices].to(device)
        loss: Tensor = (errors.mean(dim=(1, 2)) * targets.weights[steps].to(device)).mean()
        return loss

    student.to(device, memory_format=torch.channels_last).train()
    train("student", student, loss_at, config, folder, save_every=save_every)
    student.eval()


def _embed_all(teacher: TextConditioner, prompts: list[str]) -> Tensor:
    """The embeddings, (n, tokens, channels), in half precision."""
    parts = [prompts[i : i + 256] for i in range(0, len(prompts), 256)]
    return torch.cat([teacher.embed(part).half() for part in parts])
