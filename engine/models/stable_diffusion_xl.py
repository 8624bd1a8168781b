"""SDXL (Podell et al. 2023, https://arxiv.org/abs/2307.01952), by diffusers' own parts."""

from collections.abc import Sequence
from typing import Any, Final

import torch
from diffusers import StableDiffusionXLPipeline
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from engine.contract import MAX_SIZE, BatchSizes, Recipe
from engine.device import Device
from engine.models import latent_diffusion
from engine.models.base import Words
from engine.models.latent_diffusion import LatentDiffusion
from engine.safety import Checker, Panel
from engine.weights import ModelFiles

PIPELINES: Final = ("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline")


class StableDiffusionXL(LatentDiffusion):
    """Two text encoders tell of the prompt, in a sequence and in one vector; and the size is told
    as well: that of a training picture, what was cut off of it, and what is to be painted."""

    guidance = 5.0

    def __init__(self, pipeline: Any, *parts: Any) -> None:  # noqa: ANN401 - LatentDiffusion's
        if pipeline.vae.config.force_upcast:  # its numbers overflow in float16
            pipeline.vae.to(torch.float32)
        super().__init__(pipeline, *parts)

    @staticmethod
    def shapes(device: Device) -> tuple[BatchSizes, ...]:
        """The larger the picture, the less a batch of several pays."""
        return (
            BatchSizes(pixels=512 * 512, default=(2, 8), under_load=(2, 8, 16)),
            BatchSizes(pixels=768 * 768, default=(2, 4), under_load=(2, 4, 8)),
            BatchSizes(pixels=MAX_SIZE**2, default=(2,), under_load=(2, 4, 8)),
        )

    def words(self, recipe: Recipe) -> Words:
        """Embeddings (1 or 2, tokens, channels), pooled ones (1 or 2, channels), and sizes (1 or
        2, 6) in pixels."""
        told = [self._read(recipe.prompt)]
        if recipe.uses_cfg:
            told.insert(0, self._negative(recipe.negative, told[0]))
        size = recipe.height, recipe.width
        sizes = torch.tensor([[*size, 0, 0, *size]] * len(told), dtype=self.device.dtype)
        return {
            "encoder_hidden_states": torch.cat([sequence for sequence, _ in told]),
            "text_embeds": torch.cat([pooled for _, pooled in told]),
            "time_ids": sizes.to(self.device.torch_device),
        }

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, words: Words) -> torch.Tensor:
        """The UNet's forward pass."""
        predicted: torch.Tensor = self._unet(
            latents,
            timesteps,
            encoder_hidden_states=words["encoder_hidden_states"],
            added_cond_kwargs={name: words[name] for name in ("text_embeds", "time_ids")},
            return_dict=False,
        )[0]
        return predicted

    def _negative(
        self, negative: str, told: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not negative and self.pipeline.config.force_zeros_for_empty_prompt:
            return torch.zeros_like(told[0]), torch.zeros_like(told[1])
        known: tuple[torch.Tensor, torch.Tensor] = self._read(negative)
        return known

    def _encoded(self, prompt: str) -> tuple[torch.Tensor, torch.Tensor]:
        sequence, _, pooled, _ = self.pipeline.encode_prompt(
            prompt, device=self.device.torch_device, do_classifier_free_guidance=False
        )
        return sequence, pooled


def load(
    files: ModelFiles, device: Device, checkers: Sequence[Checker] = (), *, own: bool = True
) -> StableDiffusionXL:
    """The model with these checkers and, if `own`, Stable Diffusion's safety checker.

    Raises ModelCorrupt or NoSafetyChecker, with a sentence for the operator.
    """
    files.require("unet", "vae", "text_encoder", "text_encoder_2", "scheduler")
    files.require("tokenizer", "tokenizer_2")
    files.require_tokenizer("tokenizer", "tokenizer_2")
    if own:
        its = latent_diffusion.checker(files, files.safety_checker_folder(), device)
        checkers = [its, *checkers]
    pipeline = latent_diffusion.pipeline(
        StableDiffusionXLPipeline,
        files,
        device,
        text_encoder=CLIPTextModel,
        text_encoder_2=CLIPTextModelWithProjection,
    )
    return StableDiffusionXL(pipeline, Panel(checkers), files.name, files.revision, device)
