"""Stable Diffusion 1 and 2, loaded and run by diffusers' own parts."""

from collections.abc import Sequence
from typing import Final

import torch
from diffusers import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import CLIPTextModel

from engine.contract import MAX_SIZE, BatchSizes, Recipe
from engine.device import Device
from engine.models import latent_diffusion
from engine.models.base import Words
from engine.models.latent_diffusion import LatentDiffusion
from engine.safety import Checker, Panel
from engine.safety.concepts import ConceptChecker
from engine.weights import STARTER, ModelFiles

PIPELINES: Final = ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline")
_UNCHECKED: Final = {"safety_checker": None, "feature_extractor": None}
"""The pipeline has no checker then, but its pictures have others."""


class StableDiffusion(LatentDiffusion):
    """A prompt is one sequence of vectors."""

    guidance = 7.5

    @staticmethod
    def shapes(device: Device) -> tuple[BatchSizes, ...]:
        """Batches pay while they are small beside the hardware: on an H100, up to 12 times as many
        pictures in batches at 256 x 256, 3 times at 512 x 512, 1.4 times at 768 x 768.

        On a GPU a batch of 8 small rows takes hardly longer than one of 2, so small pictures have
        one class only, and all share all batches. On a CPU larger batches hardly pay: four
        pictures are two batches, which two threads paint at the same time.
        """
        if device.torch_device.type == "cpu":
            return (BatchSizes(pixels=MAX_SIZE**2, default=(2, 4), under_load=(2, 4, 8)),)
        return (
            BatchSizes(pixels=256 * 256, default=(8,), under_load=(2, 8, 16)),
            BatchSizes(pixels=512 * 512, default=(2, 8), under_load=(2, 8, 16)),
            BatchSizes(pixels=768 * 768, default=(2, 4), under_load=(2, 4)),
            BatchSizes(pixels=MAX_SIZE**2, default=(2,), under_load=(2,)),
        )

    def words(self, recipe: Recipe) -> Words:
        """Their embeddings, (1 or 2, tokens, channels). Long prompts are cut off."""
        told = [self._read(recipe.prompt)]
        if recipe.uses_cfg:
            told.insert(0, self._read(recipe.negative))
        return {"encoder_hidden_states": torch.cat(told)}

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, words: Words) -> torch.Tensor:
        """The UNet's forward pass."""
        predicted: torch.Tensor = self._unet(latents, timesteps, **words, return_dict=False)[0]
        return predicted

    def _encoded(self, prompt: str) -> torch.Tensor:
        text: torch.Tensor = self.pipeline.encode_prompt(
            prompt, self.device.torch_device, 1, do_classifier_free_guidance=False
        )[0]
        return text


class Starter(StableDiffusion):
    """The model that ships with the project was made for less guidance."""

    guidance = 5.0


def load(
    files: ModelFiles, device: Device, checkers: Sequence[Checker] = (), *, own: bool = True
) -> StableDiffusion:
    """The model with these checkers and, if `own`, its own safety checker.

    Raises ModelCorrupt or NoSafetyChecker, with a sentence for the operator.
    """
    files.require("unet", "vae", "text_encoder", "tokenizer", "scheduler")
    if own:
        files.require_safety_checker()
    files.require_tokenizer("tokenizer")
    pipeline = latent_diffusion.pipeline(
        StableDiffusionPipeline,
        files,
        device,
        text_encoder=CLIPTextModel,
        **({"safety_checker": StableDiffusionSafetyChecker} if own else _UNCHECKED),
    )
    if own:
        its = ConceptChecker(pipeline.safety_checker, pipeline.feature_extractor, device)
        checkers = [its, *checkers]
    kind = Starter if files.name == STARTER else StableDiffusion
    return kind(pipeline, Panel(checkers), files.name, files.revision, device)
