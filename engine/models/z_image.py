"""Z-Image (https://github.com/Tongyi-MAI/Z-Image), from the components of diffusers."""

from collections.abc import Sequence
from typing import Any, Final

import torch
from diffusers import ZImagePipeline
from torch.nn.functional import pad
from transformers import Qwen3Model

from engine.contract import Backend, Recipe
from engine.device import Device
from engine.models.base import Conditioning, Family
from engine.models.defaults import Z_IMAGE
from engine.models.flow_transformer import (
    FlowTransformer,
    load_flow_transformer,
    text_of,
    words_beyond_template,
)
from engine.models.prompt_tokens import Prompt
from engine.safety import Checker
from engine.weights.model_files import ModelFiles

_CHUNK: Final = 32
"""The transformer pads prompts to multiples of so many tokens; diffusers' SEQ_MULTI_OF."""
_MAX_TOKENS: Final = 512
"""Of a prompt; diffusers' `max_sequence_length`."""
_MIXED: Final = 100
"""Added to the `text_chunks` of recipes whose prompts have different numbers of chunks."""


class ZImage(FlowTransformer):
    """Z-Image. The conditioning is a sequence of embeddings of a language model, with a mask of its
    padding.

    The transformer reads prompts with a multiple of 32 tokens, and only pictures whose prompts have
    the same number of them share batches. If the prompts of one picture have different numbers,
    their conditioning has these too, and the picture gets batches of its own, because another
    kernel of the attention leaves the shorter ones' padding out.
    """

    family = Z_IMAGE

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as the base class
        super().__init__(*args, **options)
        self._patchify = self._denoiser.patchify_and_embed
        self._denoiser.patchify_and_embed = self._patchify_padded

    @staticmethod
    def noise_dtype_of(device: Device) -> torch.dtype:
        """The pipeline draws it in this precision whatever that of the weights."""
        return torch.float32

    def text_chunks(self, recipe: Recipe) -> int:
        """The number of chunks of 32 tokens of the recipe's prompts; plus _MIXED the largest, if
        they have different numbers."""
        texts = [Prompt(text, recipe.prompt_format) for text in recipe.encoded_texts]
        counts = set(map(self._chunks, texts))
        return max(counts) + (_MIXED if len(counts) > 1 else 0)

    def is_batch_invariant(
        self,
        width: int,
        height: int,
        rows: int,
        text_chunks: int = 1,
        backend: Backend = Backend.TORCH,
    ) -> bool:
        """Whether the bits of an image are independent of the rest of its batch of `rows` rows."""
        if text_chunks > _MIXED:
            return False
        return super().is_batch_invariant(width, height, rows, text_chunks, backend)

    def predict(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        backend: Backend = Backend.TORCH,
    ) -> torch.Tensor:
        """The model output for all rows, without a captured graph: its shapes depend on values."""
        return self.forward(latents, timesteps, conditioning)

    def encode_prompt(self, recipe: Recipe, text_chunks: int = 1) -> Conditioning:
        """Embeddings (1 or 2, tokens, channels), which tokens are padding (1 or 2, tokens), and the
        number of tokens (1 or 2) if it differs between the recipe's prompts."""
        texts = [recipe.negative, recipe.prompt] if recipe.uses_cfg else [recipe.prompt]
        prompts = [Prompt(text, recipe.prompt_format) for text in texts]
        embeds: list[torch.Tensor] = [self._prompt_cache(prompt) for prompt in prompts]
        tokens = text_chunks % _MIXED * _CHUNK
        device = self.device.torch_device
        conditioning = {
            "encoder_hidden_states": torch.stack(
                [pad(rows, (0, 0, 0, tokens - len(rows))) for rows in embeds]
            ),
            "padding": torch.stack(
                [torch.arange(tokens, device=device) >= len(rows) for rows in embeds]
            ),
        }
        if text_chunks > _MIXED:
            counts = [_CHUNK * self._chunks(prompt) for prompt in prompts]
            conditioning["tokens"] = torch.tensor(counts, device=device)
        return conditioning

    def forward(
        self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning
    ) -> torch.Tensor:
        """The transformer's forward pass. It predicts the image less the noise."""
        embeds, padding = conditioning["encoder_hidden_states"], conditioning["padding"]
        counts = [embeds.shape[1]] * len(embeds)
        if "tokens" in conditioning:
            counts = conditioning["tokens"].tolist()
        captions = [
            (row[:count], mask[:count])
            for row, mask, count in zip(embeds, padding, counts, strict=True)
        ]
        outputs: list[torch.Tensor] = self._denoiser(
            list(latents.unsqueeze(2)), (1000 - timesteps) / 1000, captions, return_dict=False
        )[0]
        return -torch.stack(outputs).squeeze(2)

    def _patchify_padded(
        self, images: list[torch.Tensor], captions: list[Any], *sizes: int
    ) -> tuple[Any, ...]:
        """diffusers' `patchify_and_embed`, also for captions with masks of their padding."""
        if isinstance(captions[0], torch.Tensor):
            return tuple(self._patchify(images, captions, *sizes))
        embeds, padding = zip(*captions, strict=True)
        *parts, _ = self._patchify(images, embeds, *sizes)
        return *parts, padding

    def words_beyond_limit(self, text: str) -> int:
        """How many words at the end of a text the language model does not read."""
        tokenizer = self.pipeline.tokenizer
        return words_beyond_template(tokenizer, text, _MAX_TOKENS, enable_thinking=True)

    def _chunks(self, prompt: Prompt) -> int:
        """The number of chunks of a prompt's tokens."""
        tokenizer = self.pipeline.tokenizer
        message = {"role": "user", "content": text_of(prompt)}
        text = tokenizer.apply_chat_template(
            [message], tokenize=False, add_generation_prompt=True, enable_thinking=True
        )
        ids = tokenizer(text, max_length=_MAX_TOKENS, truncation=True).input_ids
        return -(-len(ids) // _CHUNK)

    def _encode_text(self, prompt: Prompt) -> torch.Tensor:
        """The embeddings of a prompt, (tokens, channels), without padding."""
        [prompt_embeds], _ = self.pipeline.encode_prompt(
            text_of(prompt), self.device.torch_device, do_classifier_free_guidance=False
        )
        embeds: torch.Tensor = prompt_embeds
        return embeds


def load(
    files: ModelFiles,
    device: Device,
    checkers: Sequence[Checker] = (),
    *,
    use_builtin_checker: bool = True,
) -> ZImage:
    """Load a model with these safety checkers and optionally Stable Diffusion's.

    Raises ModelCorrupt or NoSafetyChecker, whose messages are for the operator.
    """
    return load_flow_transformer(
        ZImage,
        ZImagePipeline,
        files,
        device,
        checkers,
        use_builtin_checker=use_builtin_checker,
        text_encoder=Qwen3Model,
    )


FAMILY: Final = Family(Z_IMAGE.name, Z_IMAGE.pipelines, load)
