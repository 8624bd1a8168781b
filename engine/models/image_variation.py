"""Variations of an image: Stable Diffusion whose prompt is an image
(https://huggingface.co/lambdalabs/sd-image-variations-diffusers), from the components of diffusers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

import msgspec
import torch
from diffusers import StableDiffusionImageVariationPipeline
from PIL import Image
from transformers import CLIPVisionModelWithProjection

from engine.contract import BatchSizes, Recipe
from engine.contract.steering import ImageAdapterCard
from engine.device import Device
from engine.models.base import Conditioning, Family
from engine.models.defaults import IMAGE_VARIATION
from engine.models.description import distillation_in, require_components
from engine.models.loading import guidance_embedding, load_concept_checker, load_pipeline
from engine.models.prompt_tokens import Prompt
from engine.models.stable_diffusion import StableDiffusion
from engine.models.unet_diffusion import UnetDiffusion
from engine.safety import Checker, CheckerSet
from engine.steering.image_encoder import ImageEncoder
from engine.weights.model_files import ModelFiles


class ImageVariation(UnetDiffusion):
    """Stable Diffusion whose prompt is the embedding of an image, the reference of each recipe.

    The prompts of recipes are not read.
    """

    family = IMAGE_VARIATION
    tokenizers = ()

    def __init__(self, pipeline: StableDiffusionImageVariationPipeline, *args: Any) -> None:  # noqa: ANN401 - as the base class
        super().__init__(pipeline, *args)
        self._encoder = ImageEncoder(
            pipeline.image_encoder, pipeline.feature_extractor, self.device
        )
        self.card = msgspec.structs.replace(self.card, image_adapter=ImageAdapterCard())

    @staticmethod
    def batch_sizes(device: Device) -> tuple[BatchSizes, ...]:
        """Those of Stable Diffusion."""
        return StableDiffusion.batch_sizes(device)

    def text_chunks(self, recipe: Recipe) -> int:
        """1: no prompt is read."""
        return 1

    def omission(self, recipe: Recipe) -> None:
        """None: no prompt is read."""
        return

    def encode_prompt(self, recipe: Recipe, text_chunks: int = 1) -> Conditioning:
        """Embeddings (1 or 2, 1, channels) in place of those of `with_references`: any numbers, and
        zeros for the unconditional row."""
        channels = self._denoiser.config.cross_attention_dim
        embeds = torch.linspace(-1.0, 1.0, channels)
        embeds = embeds.to(self.device.torch_device, self.device.dtype)
        return {
            "encoder_hidden_states": _rows(embeds.view(1, 1, channels), recipe.rows),
            **guidance_embedding(self.pipeline, recipe.guidance, self.device.dtype),
        }

    def with_references(
        self, conditioning: Conditioning, recipe: Recipe, images: Mapping[str, Image.Image]
    ) -> Conditioning:
        """The conditioning with the embedding of the recipe's reference, times its scale."""
        [reference] = recipe.references
        embeds = self._encoder.encode(reference.image, images[reference.image]).unsqueeze(1)
        rows = len(conditioning["encoder_hidden_states"])
        return {**conditioning, "encoder_hidden_states": _rows(embeds * reference.scale, rows)}

    def unet_inputs(self, conditioning: Conditioning) -> dict[str, Any]:
        """The conditioning as arguments of the UNet."""
        return dict(conditioning)

    def to_host(self) -> None:
        """As the base class; also drop the encoded images."""
        self._encoder.clear()
        super().to_host()

    def _encode_text(self, prompt: Prompt) -> NoReturn:
        raise NotImplementedError(f"The model {self.card.name} reads no prompts.")


def _rows(embeds: torch.Tensor, rows: int) -> torch.Tensor:
    """The embeddings (1, 1, channels) as the last row, and zeros as the others."""
    return torch.cat([*[torch.zeros_like(embeds)] * (rows - 1), embeds])


def load(
    files: ModelFiles,
    device: Device,
    checkers: Sequence[Checker] = (),
    *,
    use_builtin_checker: bool = True,
) -> ImageVariation:
    """Load a model with these safety checkers and optionally its own.

    Raises ModelCorrupt or NoSafetyChecker, whose messages are for the operator.
    """
    require_components(files, IMAGE_VARIATION)
    files.require("feature_extractor")
    if use_builtin_checker:
        files.require_safety_checker()
        checkers = [
            load_concept_checker(files, files.safety_checker_folder(), device),
            *checkers,
        ]
    pipeline = load_pipeline(
        StableDiffusionImageVariationPipeline,
        files,
        device,
        image_encoder=CLIPVisionModelWithProjection,
        safety_checker=None,
    )
    _check_width(pipeline)
    return ImageVariation(
        pipeline,
        CheckerSet(checkers),
        files.name,
        files.revision,
        device,
        distillation_in(files),
    )


def _check_width(pipeline: StableDiffusionImageVariationPipeline) -> None:
    """Raise ValueError unless the UNet reads the embeddings of the image encoder."""
    embeds = pipeline.image_encoder.config.projection_dim
    width = pipeline.unet.config.cross_attention_dim
    if embeds != width:
        raise ValueError(
            f"the embeddings of the image encoder have {embeds} numbers, and the unet reads {width}"
        )


FAMILY: Final = Family(IMAGE_VARIATION.name, IMAGE_VARIATION.pipelines, load)
