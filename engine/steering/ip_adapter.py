"""IP-Adapter (https://arxiv.org/abs/2308.06721): reference images as prompts of a UNet."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import torch
from diffusers import UNet2DConditionModel
from PIL import Image

from engine.contract import Recipe
from engine.contract.steering import Reference, ReferenceRole
from engine.steering.image_attention import ImageAttention, split_heads
from engine.steering.image_encoder import ImageEncoder
from engine.steering.interpolation import slerp
from engine.steering.recent import RecentValues
from engine.steering.references import ImageReferences, LayerPrompt

STYLE_BLOCK: Final = "up_blocks.1."
STYLE_BLOCK_XL: Final = "up_blocks.0.attentions.1."
"""The prefixes of the layers that determine the style, in Stable Diffusion 1 and in SDXL
(InstantStyle, https://arxiv.org/abs/2404.02733)."""
_CACHE_SIZE: Final = 16
"""Number of different references whose keys and values are cached; those of a Plus adapter for SDXL
take 11 MB in float16."""


class Projections(NamedTuple):
    """The IP-Adapter's part of one cross-attention layer."""

    name: str
    """Of the layer in the UNet."""
    to_key: torch.nn.Module
    to_value: torch.nn.Module


class _Prompt(NamedTuple):
    """An image prompt for all rows of one image."""

    scale: float
    is_style: bool
    tokens: torch.Tensor
    """(rows, tokens, channels)."""


_Key = tuple[tuple[Reference, ...], int]


class IpAdapter:
    """An IP-Adapter for one UNet. Thread-safe. The UNet stays as it is until the first use."""

    def __init__(
        self,
        unet: UNet2DConditionModel,
        encoder: ImageEncoder,
        projection: torch.nn.Module,
        layers: Sequence[Projections],
    ) -> None:
        """`projection` makes tokens of the encoding of an image; `layers` are in the UNet's
        order."""
        self._encoder = encoder
        self._projection = projection
        self._layers = layers
        is_xl = unet.config.addition_embed_type == "text_time"
        style = STYLE_BLOCK_XL if is_xl else STYLE_BLOCK
        self._is_style = [layer.name.startswith(style) for layer in layers]
        modules = [unet.get_submodule(layer.name) for layer in layers]
        self._heads: list[int] = [module.heads for module in modules]
        self._attentions = [ImageAttention(index, module) for index, module in enumerate(modules)]
        self._attaching = threading.Lock()
        self._is_attached = False
        self._references = RecentValues[_Key, ImageReferences](_CACHE_SIZE)

    @property
    def roles(self) -> tuple[ReferenceRole, ...]:
        """What its reference images may determine."""
        roles = [ReferenceRole.LIKE, ReferenceRole.STYLE, ReferenceRole.BLEND]
        return tuple(role for role in roles if role != ReferenceRole.STYLE or any(self._is_style))

    def references_for(self, recipe: Recipe, images: Mapping[str, Image.Image]) -> ImageReferences:
        """What the layers read for an image of this recipe; `images` has its reference images, by
        their digests."""
        with self._attaching:
            if not self._is_attached:
                for attention in self._attentions:
                    attention.attach()
                self._is_attached = True
        key = recipe.references, recipe.rows
        return self._references.get(key, partial(self._compute, *key, images))

    def clear(self) -> None:
        """Drop all that is cached."""
        self._encoder.clear()
        self._references.clear()

    @torch.inference_mode()
    def _compute(
        self, references: tuple[Reference, ...], rows: int, images: Mapping[str, Image.Image]
    ) -> ImageReferences:
        prompts = [
            _Prompt(scale, is_style, self._tokens(encoding, rows))
            for scale, is_style, encoding in self._encodings(references, images)
            if scale > 0.0
        ]
        layers = [
            [
                self._layer_prompt(index, prompt)
                for prompt in prompts
                if is_style or not prompt.is_style
            ]
            for index, is_style in enumerate(self._is_style)
        ]
        return ImageReferences(layers)

    def _encodings(
        self, references: tuple[Reference, ...], images: Mapping[str, Image.Image]
    ) -> Iterator[tuple[float, bool, torch.Tensor]]:
        """The scale of each image prompt, whether it is for the style alone, and its encoding."""
        blended: torch.Tensor | None = None
        blended_scales: list[float] = []
        for reference in references:
            encoding = self._encoder.encode(reference.image, images[reference.image])
            if reference.role is not ReferenceRole.BLEND:
                yield reference.scale, reference.role is ReferenceRole.STYLE, encoding
            elif reference.scale > 0.0:
                blended_scales.append(reference.scale)
                share = reference.scale / sum(blended_scales)
                blended = encoding if blended is None else slerp(blended, encoding, share)
        if blended is not None:
            yield max(*blended_scales, min(1.0, sum(blended_scales))), False, blended

    def _tokens(self, encoding: torch.Tensor, rows: int) -> torch.Tensor:
        """(rows, tokens, channels): the last row is the conditional one, the others are not."""
        conditional: torch.Tensor = self._projection(encoding)
        if rows == 1:
            return conditional
        unconditional: torch.Tensor = self._projection(self._encoder.unconditional())
        return torch.cat([*[unconditional] * (rows - 1), conditional])

    def _layer_prompt(self, index: int, prompt: _Prompt) -> LayerPrompt:
        layer, heads = self._layers[index], self._heads[index]
        key, value = (
            split_heads(project(prompt.tokens), heads) for project in (layer.to_key, layer.to_value)
        )
        return LayerPrompt(prompt.scale, key, value)
