"""Stable Diffusion 1 and 2, from the components of diffusers."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPTextModel

from engine.contract import MAX_CLIP_SKIP, MAX_SIZE, BatchSizes, PromptFormat, Recipe
from engine.device import Device
from engine.models.base import IMAGE_CHANNELS, Conditioning, Family
from engine.models.defaults import (
    STABLE_DIFFUSION,
    STARTER_EDIT_GUIDANCE,
    STARTER_GUIDANCE,
    STARTER_IMAGE_GUIDANCE,
)
from engine.models.description import distillation_in, require_components
from engine.models.loading import guidance_embedding, load_concept_checker, load_pipeline
from engine.models.prompt_tokens import Prompt, weighted
from engine.models.unet_diffusion import UnetDiffusion
from engine.safety import Checker, CheckerSet
from engine.weights.controls import configured_controls
from engine.weights.embeddings import configured_embeddings
from engine.weights.model_files import ModelFiles
from engine.weights.model_folder import EDIT_STARTER, FEW_STEP_STARTER, STARTER


class StableDiffusion(UnetDiffusion):
    """Stable Diffusion 1 or 2. The conditioning is one sequence of embeddings."""

    family = STABLE_DIFFUSION
    text_encoders = STABLE_DIFFUSION.embedded_encoders
    restores_mean: ClassVar[bool] = True
    """Whether weights of words keep the mean of the embeddings."""

    @staticmethod
    def most_clip_skip(pipeline: StableDiffusionPipeline) -> int:
        """The number of the text encoder's layers."""
        layers: int = pipeline.text_encoder.config.num_hidden_layers
        return min(MAX_CLIP_SKIP, layers)

    @staticmethod
    def batch_sizes(device: Device) -> tuple[BatchSizes, ...]:
        """Batches increase throughput only while they do not fill the device: on an H100, up to 12
        times at 256 x 256, 3 times at 512 x 512, 1.4 times at 768 x 768.

        On a GPU a batch of 8 rows of a small image takes hardly longer than one of 2 rows, so small
        images have one row class, and all of them can share batches. On a CPU larger batches gain
        little, so four images are two batches, which run in two threads.
        """
        if device.torch_device.type == "cpu":
            return (BatchSizes(pixels=MAX_SIZE**2, default=(2, 4), under_load=(2, 4, 8)),)
        return (
            BatchSizes(pixels=256 * 256, default=(8,), under_load=(2, 8, 16)),
            BatchSizes(pixels=512 * 512, default=(2, 8), under_load=(2, 8, 16)),
            BatchSizes(pixels=768 * 768, default=(2, 4), under_load=(2, 4)),
            BatchSizes(pixels=MAX_SIZE**2, default=(2,), under_load=(2,)),
        )

    def encode_prompt(self, recipe: Recipe, text_chunks: int = 1) -> Conditioning:
        """Embeddings of the prompts of the rows, (rows, tokens, channels)."""
        prompt = Prompt(
            recipe.prompt,
            recipe.prompt_format,
            text_chunks,
            recipe.clip_skip,
            recipe.embedding_names,
            self.text_adapters(recipe),
        )
        prompts = [prompt]
        if recipe.uses_cfg:
            clip_skip = recipe.negative_clip_skip
            negative = prompt._replace(text=recipe.negative, clip_skip=clip_skip)
            prompts = [negative] * (recipe.rows - 1) + prompts
        prompt_embeds = [self._prompt_cache(prompt) for prompt in prompts]
        return {
            "encoder_hidden_states": torch.cat(prompt_embeds),
            **self.image_channels_for(recipe),
            **guidance_embedding(self.pipeline, recipe.guidance, self.device.dtype),
        }

    def unet_inputs(self, conditioning: Conditioning) -> dict[str, Any]:
        """The conditioning as arguments of the UNet."""
        return {name: tensor for name, tensor in conditioning.items() if name != IMAGE_CHANNELS}

    def _encode_text(self, prompt: Prompt) -> torch.Tensor:
        if prompt.format is PromptFormat.A1111:
            chunks = []
            for [chunk] in self._encoder_inputs(prompt):
                embeds = self._encode(chunk.ids, chunk.mask, prompt.clip_skip)
                chunks.append(weighted(embeds, chunk.weights, restores_mean=self.restores_mean))
            return torch.cat(chunks, dim=1)
        if prompt.clip_skip > 1:
            tokens = self.pipeline.tokenizer(
                prompt.text,
                padding="max_length",
                max_length=self.pipeline.tokenizer.model_max_length,
                truncation=True,
            )
            return self._encode(tokens.input_ids, tokens.attention_mask, prompt.clip_skip)
        prompt_embeds: torch.Tensor = self.pipeline.encode_prompt(
            prompt.text, self.device.torch_device, 1, do_classifier_free_guidance=False
        )[0]
        return prompt_embeds

    def _encode(self, ids: Sequence[int], mask: Sequence[int], clip_skip: int) -> torch.Tensor:
        """The embeddings (1, tokens, channels) of one chunk of tokens, as in diffusers'
        `encode_prompt`."""
        encoder, device = self.pipeline.text_encoder, self.device.torch_device
        uses_mask = getattr(encoder.config, "use_attention_mask", False)
        output = encoder(
            torch.tensor([ids], device=device),
            attention_mask=torch.tensor([mask], device=device) if uses_mask else None,
            output_hidden_states=clip_skip > 1,
        )
        embeds: torch.Tensor = output[0]
        if clip_skip > 1:
            norm = getattr(encoder, "text_model", encoder).final_layer_norm
            embeds = norm(output.hidden_states[-clip_skip])
        return embeds


class StarterModel(StableDiffusion):
    """The models that are part of the project; they were trained for a lower guidance scale."""

    family = STABLE_DIFFUSION._replace(guidance=STARTER_GUIDANCE)
    restores_mean = False
    """The mean is so near 0 that a weight of 1.6 can halve or double all embeddings."""


class StarterEditor(StarterModel):
    """The one of them that edits pictures by instructions."""

    family = STABLE_DIFFUSION._replace(
        guidance=STARTER_EDIT_GUIDANCE, image_guidance=STARTER_IMAGE_GUIDANCE
    )


_STARTERS: Final[Mapping[str, type[StarterModel]]] = {
    STARTER: StarterModel,
    FEW_STEP_STARTER: StarterModel,
    EDIT_STARTER: StarterEditor,
}


def load(
    files: ModelFiles,
    device: Device,
    checkers: Sequence[Checker] = (),
    *,
    use_builtin_checker: bool = True,
) -> StableDiffusion:
    """Load a model with these safety checkers and optionally its own.

    Raises ModelCorrupt or NoSafetyChecker, whose messages are for the operator.
    """
    family = STABLE_DIFFUSION
    require_components(files, family)
    if use_builtin_checker:
        files.require_safety_checker()
        checker = load_concept_checker(files, files.safety_checker_folder(), device)
        checkers = [checker, *checkers]
    pipeline = load_pipeline(
        StableDiffusionPipeline,
        files,
        device,
        text_encoder=CLIPTextModel,
        safety_checker=None,
        feature_extractor=None,
    )
    model_class = _STARTERS.get(files.name, StableDiffusion)
    model = model_class(
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


FAMILY: Final = Family(STABLE_DIFFUSION.name, STABLE_DIFFUSION.pipelines, load)
