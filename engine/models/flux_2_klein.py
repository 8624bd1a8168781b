"""FLUX.2 klein (https://github.com/black-forest-labs/flux2), from the components of diffusers."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import torch
from diffusers import Flux2KleinPipeline
from PIL import Image
from transformers import Qwen3ForCausalLM

from engine.contract import Backend, Recipe
from engine.device import Device
from engine.models.base import Conditioning, Family
from engine.models.defaults import FLUX_2_KLEIN
from engine.models.flow_transformer import (
    FlowTransformer,
    load_flow_transformer,
    text_of,
    words_beyond_template,
)
from engine.models.latent_codec import LatentCodec
from engine.models.prompt_tokens import Prompt
from engine.safety import Checker
from engine.weights.model_files import ModelFiles

_SIDE: Final = 2
"""2 x 2 latent pixels of the VAE are the channels of one latent pixel of the transformer."""
_MAX_TOKENS: Final = 512
"""Of a chat message with a prompt; the pipeline's default."""
_WITH_REFERENCE: Final = 2
"""The `text_chunks`, and the number of pictures, of a recipe with an init image."""
_REFERENCE_TIME: Final = 10
"""The first number in the positions of a reference picture's tokens; diffusers' `scale`."""
_CACHED_IDS: Final = 256
"""Number of sizes whose positions are cached: they cannot be made while a forward pass is captured.
"""


class _PackedCodec(LatentCodec):
    """Latents of 2 x 2 pixels of the VAE, normalised with the statistics in the VAE, without a
    standard deviation: they are not sampled."""

    def encode(
        self, image: Image.Image, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, None]:
        """An image's latents, before `scale`."""
        mean, _ = super().encode(image, mask)
        packed: torch.Tensor = Flux2KleinPipeline._patchify_latents(mean)
        return packed, None

    def scale(self, latents: torch.Tensor) -> torch.Tensor:
        """Encoded latents, normalised to the range of the denoiser's input."""
        mean, std = self._mean_and_std(latents)
        scaled: torch.Tensor = (latents - mean) / std
        return scaled

    def decode(self, latents: torch.Tensor, backend: Backend = Backend.TORCH) -> torch.Tensor:
        """The pixels of latents, (rows, 3, height, width), from -1 to 1."""
        latents = latents.to(self._dtype)
        mean, std = self._mean_and_std(latents)
        unpacked = Flux2KleinPipeline._unpatchify_latents(latents * std + mean)
        pixels: torch.Tensor = self._vae.decode(unpacked, return_dict=False)[0]
        return pixels

    def _mean_and_std(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As diffusers' `_encode_vae_image`."""
        statistics = self._vae.bn
        std = torch.sqrt(statistics.running_var.view(1, -1, 1, 1) + self._vae.config.batch_norm_eps)
        return statistics.running_mean.view(1, -1, 1, 1).to(like), std.to(like)


class Flux2Klein(FlowTransformer):
    """FLUX.2 klein. Its latents are (rows, channels, height / 16, width / 16), normalised with the
    statistics in the VAE. The conditioning is one sequence of embeddings, and the init image, which
    is a reference picture too. So with a strength of 1 the prompt says how to change it."""

    family = FLUX_2_KLEIN
    codec = _PackedCodec
    mask_interpolation = "bilinear"

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as the base class
        super().__init__(*args, **options)
        self._ids = lru_cache(_CACHED_IDS)(self._positions)

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        """The shape of the latents of one image of this size in pixels."""
        factor = self.pipeline.vae_scale_factor * _SIDE
        return 1, self._denoiser.config.in_channels, height // factor, width // factor

    def text_chunks(self, recipe: Recipe) -> int:
        """1, or _WITH_REFERENCE: the tokens of an init image count as a second chunk."""
        return 1 if recipe.strength is None else _WITH_REFERENCE

    def encode_prompt(self, recipe: Recipe, text_chunks: int = 1) -> Conditioning:
        """Embeddings of 1 or 2 prompts, (1 or 2, tokens, channels), and zeros as an init image.

        A distilled model takes no guidance, so that the negative prompt is the prompt too.
        """
        texts = [recipe.prompt]
        if recipe.uses_cfg:
            is_distilled = self.pipeline.config.is_distilled
            texts.insert(0, recipe.prompt if is_distilled else recipe.negative)
        embeds = [self._prompt_cache(Prompt(text, recipe.prompt_format)) for text in texts]
        conditioning = {"encoder_hidden_states": torch.cat(embeds)}
        shape = self.latent_shape(*recipe.size)
        self._ids(text_chunks, *shape[2:], embeds[0].shape[1])  # not while a pass is captured
        if text_chunks < _WITH_REFERENCE:
            return conditioning
        return self.with_init_image(
            conditioning, conditioning["encoder_hidden_states"].new_zeros(shape)
        )

    def with_init_image(
        self, conditioning: Conditioning, image_latents: torch.Tensor
    ) -> Conditioning:
        """The conditioning with the init image as a reference picture."""
        embeds = conditioning["encoder_hidden_states"]
        reference = image_latents.to(embeds.dtype).expand(len(embeds), -1, -1, -1)
        return {"encoder_hidden_states": embeds, "reference": reference}

    def forward(
        self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning
    ) -> torch.Tensor:
        """The transformer's forward pass, without a captured graph."""
        embeds = conditioning["encoder_hidden_states"]
        rows, channels, height, width = latents.shape
        reference = conditioning.get("reference")
        pictures = [latents] if reference is None else [latents, reference]
        img_ids, txt_ids = self._ids(len(pictures), height, width, embeds.shape[1])
        output: torch.Tensor = self._denoiser(
            hidden_states=torch.cat(
                [picture.flatten(2).permute(0, 2, 1) for picture in pictures], 1
            ),
            timestep=timesteps.to(latents.dtype) / 1000,
            encoder_hidden_states=embeds,
            img_ids=img_ids,
            txt_ids=txt_ids,
            return_dict=False,
        )[0]
        tokens = output[:, : height * width]
        return tokens.permute(0, 2, 1).reshape(rows, channels, height, width)

    def _positions(
        self, pictures: int, height: int, width: int, tokens: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """diffusers' `img_ids` and `txt_ids` of one row, with 1 or 2 pictures of one size."""
        device = self.device.torch_device
        latents = torch.empty(1, 1, height, width)
        img_ids = self.pipeline._prepare_latent_ids(latents)[0]
        if pictures > 1:
            references = img_ids.clone()
            references[:, 0] = _REFERENCE_TIME
            img_ids = torch.cat([img_ids, references])
        txt_ids = self.pipeline._prepare_text_ids(torch.empty(1, tokens, 1))[0]
        return img_ids.to(device), txt_ids.to(device)

    def words_beyond_limit(self, text: str) -> int:
        """How many words at the end of a text the language model does not read."""
        tokenizer = self.pipeline.tokenizer
        return words_beyond_template(tokenizer, text, _MAX_TOKENS, enable_thinking=False)

    def _encode_text(self, prompt: Prompt) -> torch.Tensor:
        prompt_embeds: torch.Tensor = self.pipeline.encode_prompt(
            text_of(prompt), device=self.device.torch_device
        )[0]
        return prompt_embeds


def load(
    files: ModelFiles,
    device: Device,
    checkers: Sequence[Checker] = (),
    *,
    use_builtin_checker: bool = True,
) -> Flux2Klein:
    """Load a model with these safety checkers and optionally Stable Diffusion's.

    Raises ModelCorrupt or NoSafetyChecker, whose messages are for the operator.
    """
    return load_flow_transformer(
        Flux2Klein,
        Flux2KleinPipeline,
        files,
        device,
        checkers,
        use_builtin_checker=use_builtin_checker,
        text_encoder=Qwen3ForCausalLM,
    )


FAMILY: Final = Family(FLUX_2_KLEIN.name, FLUX_2_KLEIN.pipelines, load)
