"""Small models with the kinds of layers of the real architectures and random weights.

On a CPU they take the place of the real ones, which would take too long there. Their pictures have
64 x 64 pixels.
"""

from collections.abc import Callable
from typing import Any, Final

from diffusers import (
    UNet2DConditionModel,
)
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
)

from engine.bench.architectures import (
    autoencoder,
    checker,
    seeded_weights,
    stable_diffusion,
    stable_diffusion_xl,
    text_config,
)
from engine.device import Device
from engine.models.base import DiffusionModel
from engine.safety import CheckerSet
from engine.safety.concepts import ConceptChecker

_WIDTH: Final = 32
"""Channels of the text encoders."""


def small_sd15(device: Device) -> DiffusionModel:
    """A small Stable Diffusion 1.5."""
    with seeded_weights(device):
        parts = {
            "vae": _small_autoencoder(scaling_factor=0.5),
            "text_encoder": CLIPTextModel(_small_text_config()),
            "unet": _small_unet(cross_attention_dim=_WIDTH),
            "safety_checker": None,
        }
    return stable_diffusion("small sd15", parts, _small_checker(device), device)


def small_sdxl(device: Device) -> DiffusionModel:
    """A small SDXL."""
    with seeded_weights(device):
        parts = {
            "vae": _small_autoencoder(scaling_factor=0.5, force_upcast=True),
            "text_encoder": CLIPTextModel(_small_text_config()),
            "text_encoder_2": CLIPTextModelWithProjection(_small_text_config(hidden_act="gelu")),
            "unet": _small_unet(
                cross_attention_dim=2 * _WIDTH,
                use_linear_projection=True,
                addition_embed_type="text_time",
                addition_time_embed_dim=8,
                projection_class_embeddings_input_dim=6 * 8 + _WIDTH,
            ),
        }
    return stable_diffusion_xl("small sdxl", parts, _small_checker(device), device)


SMALL_ARCHITECTURES: Final[dict[str, Callable[[Device], DiffusionModel]]] = {
    "sd15": small_sd15,
    "sdxl": small_sdxl,
}
"""By the names of the real architectures."""


def _small_autoencoder(**changes: object) -> Any:  # noqa: ANN401 - the class has no types
    return autoencoder(
        block_out_channels=(8, 8, 16, 16), layers_per_block=1, norm_num_groups=4, **changes
    )


def _small_unet(**changes: object) -> UNet2DConditionModel:
    options: dict[str, Any] = {
        "sample_size": 8,
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": 8,
        "norm_num_groups": 4,
    }
    return UNet2DConditionModel(**(options | changes))


def _small_text_config(**changes: object) -> CLIPTextConfig:
    return text_config(_WIDTH, layers=2, heads=2, intermediate_size=_WIDTH, **changes)


def _small_checker(device: Device) -> CheckerSet:
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        projection_dim=16,
    )
    extractor = CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    with seeded_weights(device):
        network = checker(vision)
    return CheckerSet([ConceptChecker(network.eval(), extractor, device)])
