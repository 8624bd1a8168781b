"""Stable Diffusion 3 and 3.5 (Esser et al. 2024, https://arxiv.org/abs/2403.03206), from the
components of diffusers."""

from collections.abc import Sequence
from typing import Final

import torch
from diffusers import StableDiffusion3Pipeline
from transformers import CLIPTextModelWithProjection, T5EncoderModel

from engine.contract import Recipe
from engine.device import Device
from engine.models.base import Conditioning, Family
from engine.models.defaults import STABLE_DIFFUSION_3
from engine.models.flow_transformer import FlowTransformer, load_flow_transformer, text_of
from engine.models.prompt_tokens import Prompt, words_beyond
from engine.safety import Checker
from engine.weights.model_files import ModelFiles

_T5_TOKENS: Final = 256
"""The pipeline's default for T5."""
_PromptEmbeds = tuple[torch.Tensor, torch.Tensor]
"""diffusers' `prompt_embeds` and `pooled_prompt_embeds`."""


class StableDiffusion3(FlowTransformer):
    """Stable Diffusion 3 or 3.5. The conditioning is a sequence of embeddings, of two CLIP text
    encoders and of T5, and a pooled embedding. Without T5, its embeddings are zeros."""

    family = STABLE_DIFFUSION_3

    def encode_prompt(self, recipe: Recipe, text_chunks: int = 1) -> Conditioning:
        """Embeddings (1 or 2, tokens, channels) and pooled embeddings (1 or 2, channels)."""
        texts = [recipe.negative, recipe.prompt] if recipe.uses_cfg else [recipe.prompt]
        embeds: list[_PromptEmbeds] = [
            self._prompt_cache(Prompt(text, recipe.prompt_format)) for text in texts
        ]
        return {
            "encoder_hidden_states": torch.cat([prompt_embeds for prompt_embeds, _ in embeds]),
            "pooled_projections": torch.cat([pooled for _, pooled in embeds]),
        }

    def forward(
        self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning
    ) -> torch.Tensor:
        """The transformer's forward pass, without a captured graph."""
        output: torch.Tensor = self._denoiser(
            latents, timestep=timesteps, **conditioning, return_dict=False
        )[0]
        return output

    def words_beyond_limit(self, text: str) -> int:
        """How many words at the end of a text neither CLIP nor T5 reads, each of which takes other
        tokens that begin or end it."""
        clip, t5 = self.pipeline.tokenizer, self.pipeline.tokenizer_3
        beyond = words_beyond(clip, text, clip.model_max_length - 2)
        return beyond if t5 is None else min(beyond, words_beyond(t5, text, _T5_TOKENS - 1))

    def _encode_text(self, prompt: Prompt) -> _PromptEmbeds:
        prompt_embeds, _, pooled_prompt_embeds, _ = self.pipeline.encode_prompt(
            text_of(prompt),
            prompt_2=None,
            prompt_3=None,
            device=self.device.torch_device,
            do_classifier_free_guidance=False,
        )
        return prompt_embeds, pooled_prompt_embeds


def load(
    files: ModelFiles,
    device: Device,
    checkers: Sequence[Checker] = (),
    *,
    use_builtin_checker: bool = True,
) -> StableDiffusion3:
    """Load a model with these safety checkers and optionally Stable Diffusion's.

    Raises ModelCorrupt or NoSafetyChecker, whose messages are for the operator.
    """
    return load_flow_transformer(
        StableDiffusion3,
        StableDiffusion3Pipeline,
        files,
        device,
        checkers,
        use_builtin_checker=use_builtin_checker,
        text_encoder=CLIPTextModelWithProjection,
        text_encoder_2=CLIPTextModelWithProjection,
        text_encoder_3=T5EncoderModel,
    )


FAMILY: Final = Family(STABLE_DIFFUSION_3.name, STABLE_DIFFUSION_3.pipelines, load)
