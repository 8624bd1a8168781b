"""SDXL (Podell et al. 2023, https://arxiv.org/abs/2307.01952), from the components of diffusers."""

from collections.abc import Sequence
from typing import Any, Final

import torch
from diffusers import StableDiffusionXLPipeline
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from engine.contract import MAX_SIZE, BatchSizes, PromptFormat, Recipe
from engine.device import Device
from engine.models.base import Conditioning, Family
from engine.models.defaults import STABLE_DIFFUSION_XL, Distillation
from engine.models.description import distillation_in, require_components
from engine.models.loading import guidance_embedding, load_concept_checker, load_pipeline
from engine.models.prompt_tokens import EncoderInput, Prompt, weighted
from engine.models.unet_diffusion import UnetDiffusion
from engine.safety import Checker, CheckerSet
from engine.weights.controls import configured_controls
from engine.weights.embeddings import configured_embeddings
from engine.weights.model_files import ModelFiles

_HIDDEN_STATE: Final = -2
"""The output of the last layer but one, on which SDXL was trained."""
_PromptEmbeds = tuple[torch.Tensor, torch.Tensor]
"""diffusers' `prompt_embeds` and `pooled_prompt_embeds`."""


class StableDiffusionXL(UnetDiffusion):
    """SDXL. The conditioning is a sequence of embeddings of two text encoders, a pooled embedding,
    and `time_ids`: original size, crop and target size."""

    family = STABLE_DIFFUSION_XL
    tokenizers = ("tokenizer", "tokenizer_2")
    text_encoders = STABLE_DIFFUSION_XL.embedded_encoders

    def __init__(
        self,
        pipeline: StableDiffusionXLPipeline,
        checkers: CheckerSet,
        name: str,
        revision: str,
        device: Device,
        distillation: Distillation | None = None,
    ) -> None:
        if pipeline.vae.config.force_upcast:  # this VAE overflows in float16
            pipeline.vae.to(torch.float32)
        super().__init__(pipeline, checkers, name, revision, device, distillation)

    @staticmethod
    def batch_sizes(device: Device) -> tuple[BatchSizes, ...]:
        """Large images have small row classes by default, because they gain little from batches."""
        return (
            BatchSizes(pixels=512 * 512, default=(2, 8), under_load=(2, 8, 16)),
            BatchSizes(pixels=768 * 768, default=(2, 4), under_load=(2, 4, 8)),
            BatchSizes(pixels=MAX_SIZE**2, default=(2,), under_load=(2, 4, 8)),
        )

    def encode_prompt(self, recipe: Recipe, text_chunks: int = 1) -> Conditioning:
        """Embeddings (rows, tokens, channels), pooled embeddings (rows, channels), and `time_ids`
        in pixels (rows, 6)."""
        prompt = Prompt(
            recipe.prompt,
            recipe.prompt_format,
            text_chunks,
            embeddings=recipe.embedding_names,
            adapters=self.text_adapters(recipe),
        )
        embeds: list[_PromptEmbeds] = [self._prompt_cache(prompt)]
        if recipe.uses_cfg:
            negative = prompt._replace(text=recipe.negative)
            negative_embeds = self._negative_prompt_embeds(negative, embeds[0])
            embeds = [negative_embeds] * (recipe.rows - 1) + embeds
        size = recipe.height, recipe.width
        time_ids = torch.tensor([[*size, 0, 0, *size]] * len(embeds), dtype=self.device.dtype)
        return {
            "encoder_hidden_states": torch.cat([prompt_embeds for prompt_embeds, _ in embeds]),
            "text_embeds": torch.cat([pooled_prompt_embeds for _, pooled_prompt_embeds in embeds]),
            "time_ids": time_ids.to(self.device.torch_device),
            **self.image_channels_for(recipe),
            **guidance_embedding(self.pipeline, recipe.guidance, self.device.dtype),
        }

    def unet_inputs(self, conditioning: Conditioning) -> dict[str, Any]:
        """The conditioning as arguments of the UNet."""
        return {
            "timestep_cond": conditioning.get("timestep_cond"),
            "encoder_hidden_states": conditioning["encoder_hidden_states"],
            "added_cond_kwargs": {name: conditioning[name] for name in ("text_embeds", "time_ids")},
        }

    def _negative_prompt_embeds(self, negative: Prompt, embeds: _PromptEmbeds) -> _PromptEmbeds:
        if not negative.text and self.pipeline.config.force_zeros_for_empty_prompt:
            return torch.zeros_like(embeds[0]), torch.zeros_like(embeds[1])
        negative_embeds: _PromptEmbeds = self._prompt_cache(negative)
        return negative_embeds

    def _encode_text(self, prompt: Prompt) -> _PromptEmbeds:
        if prompt.format is PromptFormat.A1111:
            chunks = [self._encode_chunk(*chunk) for chunk in self._encoder_inputs(prompt)]
            return torch.cat([embeds for embeds, _ in chunks], dim=1), chunks[0][1]
        prompt_embeds, _, pooled_prompt_embeds, _ = self.pipeline.encode_prompt(
            prompt.text, device=self.device.torch_device, do_classifier_free_guidance=False
        )
        return prompt_embeds, pooled_prompt_embeds

    def _encode_chunk(self, first: EncoderInput, second: EncoderInput) -> _PromptEmbeds:
        """As diffusers' `encode_prompt`, but with weights. They change no pooled embedding."""
        embeds = []
        encoders = self.pipeline.text_encoder, self.pipeline.text_encoder_2
        for encoder, chunk in zip(encoders, (first, second), strict=True):
            ids = torch.tensor([chunk.ids], device=self.device.torch_device)
            output = encoder(ids, output_hidden_states=True)
            embeds.append(weighted(output.hidden_states[_HIDDEN_STATE], chunk.weights))
        return torch.cat(embeds, dim=-1), output.text_embeds


def load(
    files: ModelFiles,
    device: Device,
    checkers: Sequence[Checker] = (),
    *,
    use_builtin_checker: bool = True,
) -> StableDiffusionXL:
    """Load a model with these safety checkers and optionally Stable Diffusion's.

    Raises ModelCorrupt or NoSafetyChecker, whose messages are for the operator.
    """
    family = STABLE_DIFFUSION_XL
    require_components(files, family)
    if use_builtin_checker:
        checker = load_concept_checker(files, files.safety_checker_folder(), device)
        checkers = [checker, *checkers]
    pipeline = load_pipeline(
        StableDiffusionXLPipeline,
        files,
        device,
        text_encoder=CLIPTextModel,
        text_encoder_2=CLIPTextModelWithProjection,
    )
    model = StableDiffusionXL(
        pipeline,
        CheckerSet(checkers),
        files.name,
        files.revision,
        device,
        distillation_in(files),
    )
    model.add_embeddings(configured_embeddings())
    model.add_ip_adapter(files)
    model.add_controls(configured_controls(files.name, prefer_fp16=device.dtype == torch.float16))
    return model


FAMILY: Final = Family(STABLE_DIFFUSION_XL.name, STABLE_DIFFUSION_XL.pipelines, load)
