"""The samplers on offer, each one of diffusers' own schedulers."""

import inspect
from collections.abc import Mapping
from typing import Any, Final

import diffusers
import torch

from engine.contract import Recipe, Sampler
from engine.exits import Unpaintable

_MADE_OF: Final[dict[Sampler, tuple[str, dict[str, object]]]] = {
    Sampler.PNDM: ("PNDMScheduler", {"skip_prk_steps": True}),
    Sampler.LMS: ("LMSDiscreteScheduler", {}),
    Sampler.DDIM: ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
    Sampler.DDPM: ("DDPMScheduler", {"clip_sample": False}),
    Sampler.EULER: ("EulerDiscreteScheduler", {}),
    Sampler.EULER_A: ("EulerAncestralDiscreteScheduler", {}),
    Sampler.HEUN: ("HeunDiscreteScheduler", {}),
    Sampler.DPM2: ("KDPM2DiscreteScheduler", {}),
    Sampler.DPM2_A: ("KDPM2AncestralDiscreteScheduler", {}),
    Sampler.DPMPP_2M: ("DPMSolverMultistepScheduler", {}),
    Sampler.DPMPP_2M_KARRAS: ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    Sampler.DPMPP_2M_SDE: ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    Sampler.UNIPC: ("UniPCMultistepScheduler", {}),
    Sampler.DEIS: ("DEISMultistepScheduler", {}),
    Sampler.LCM: ("LCMScheduler", {}),
    Sampler.TCD: ("TCDScheduler", {}),
}


def make(sampler: Sampler, config: Mapping[str, object]) -> Any:  # noqa: ANN401 - has no type
    """A fresh scheduler of diffusers, for one picture, from the model's own scheduler config."""
    name, named = _MADE_OF[sampler]
    return getattr(diffusers, name).from_config(config, **named)


def longest(config: Mapping[str, object]) -> dict[Sampler, int]:
    """Most steps of the samplers that walk a teacher's steps: no more than the teacher took."""
    schedulers = {sampler: make(sampler, config) for sampler in Sampler}
    return {
        sampler: int(scheduler.config.original_inference_steps)
        for sampler, scheduler in schedulers.items()
        if "original_inference_steps" in inspect.signature(scheduler.set_timesteps).parameters
    }


class Course:
    """One picture's way from noise to latents: its scheduler and the timesteps still to come.

    Raises Unpaintable if this sampler cannot take so many steps.
    """

    def __init__(self, recipe: Recipe, config: Mapping[str, object], device: torch.device) -> None:
        self.scheduler = make(recipe.sampler, config)
        try:
            self.scheduler.set_timesteps(recipe.steps, device=device)
        except (ValueError, IndexError, ZeroDivisionError) as error:
            raise Unpaintable(
                f"The sampler {recipe.sampler} cannot take {recipe.steps} steps: {error}"
            ) from error
        self.timesteps: torch.Tensor = self._from_strength(recipe)
        self._options = _step_options(self.scheduler)

    def _from_strength(self, recipe: Recipe) -> torch.Tensor:
        """As StableDiffusionImg2ImgPipeline.get_timesteps does it."""
        timesteps: torch.Tensor = self.scheduler.timesteps
        if recipe.strength is None:
            return timesteps
        painted = min(int(recipe.steps * recipe.strength), recipe.steps)
        skipped = (recipe.steps - painted) * self.scheduler.order
        if hasattr(self.scheduler, "set_begin_index"):
            self.scheduler.set_begin_index(skipped)
        return timesteps[skipped:]

    def first(self, noise: torch.Tensor) -> torch.Tensor:
        """Where a picture starts that has no source."""
        latents: torch.Tensor = noise * self.scheduler.init_noise_sigma
        return latents

    def covered(self, source: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Where a picture starts that has a source: its latents under this much noise."""
        latents: torch.Tensor = self.scheduler.add_noise(source, noise, self.timesteps[:1])
        return latents

    def scaled(self, latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """The latents as the model wants to see them."""
        scaled: torch.Tensor = self.scheduler.scale_model_input(latents, timestep)
        return scaled

    def step(
        self,
        prediction: torch.Tensor,
        timestep: torch.Tensor,
        latents: torch.Tensor,
        generator: torch.Generator,
    ) -> torch.Tensor:
        """The latents after one evaluation."""
        options = self._options | ({"generator": generator} if "generator" in self._options else {})
        stepped: torch.Tensor = self.scheduler.step(
            prediction, timestep, latents, **options, return_dict=False
        )[0]
        return stepped

    def denoised(
        self, seen: torch.Tensor, prediction: torch.Tensor, timestep: torch.Tensor
    ) -> torch.Tensor:
        """The finished latents that a prediction for `scaled` latents speaks of.

        What a model sees is variance-preserving with every sampler (Salimans and Ho 2022,
        https://arxiv.org/abs/2202.00512, appendix D).
        """
        kept: torch.Tensor = self.scheduler.alphas_cumprod[round(float(timestep))].to(seen)
        kind = self.scheduler.config.prediction_type
        if kind == "v_prediction":
            return kept.sqrt() * seen - (1 - kept).sqrt() * prediction
        if kind == "sample":
            return prediction
        return (seen - (1 - kept).sqrt() * prediction) / kept.sqrt()


def _step_options(scheduler: Any) -> dict[str, Any]:  # noqa: ANN401 - schedulers have no type
    """What the pipelines pass to `step` beside the tensors: eta 0, and a generator."""
    takes = inspect.signature(scheduler.step).parameters
    return {name: value for name, value in (("eta", 0.0), ("generator", None)) if name in takes}
