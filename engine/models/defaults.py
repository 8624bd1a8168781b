"""The families of models, and the settings that suit distilled models. Without torch.

A distilled model paints in a few steps and mostly without classifier-free guidance. What it is
follows from its configs, its name and its model card.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from engine.contract import MAX_GUIDANCE, MAX_SIZE, MAX_STEPS, SIZE_MULTIPLE, Sampler, StepRounding
from engine.contract.samplers import FLOW_PREDICTION
from engine.weights.model_names import distillation_word, words_of

STEPS: Final = 20
"""Of models that are not distilled."""
_TOKEN_SIDE: Final = 2
"""The transformers for flow matching make one token of 2 x 2 latent pixels."""


class FamilyDefaults(NamedTuple):
    """What is known of a family without its modules."""

    name: str
    """The name in messages for the operator."""
    pipelines: tuple[str, ...]
    """The class names in model_index.json that belong to the family."""
    guidance: float
    """Of models that are not distilled."""
    networks: tuple[str, ...]
    """The components with weights that it needs."""
    tokenizers: tuple[str, ...]
    abilities: tuple[str, ...] = ("txt2img", "img2img", "inpaint")
    """Of models that are not for editing."""
    optional_networks: tuple[str, ...] = ()
    """The components with weights that a folder may lack."""
    optional_tokenizers: tuple[str, ...] = ()
    """One for each of `optional_networks`."""
    denoiser: str = "UNet2DConditionModel"
    """The class of its denoiser in diffusers."""
    text_encoders: Mapping[str, str] = MappingProxyType({})
    """The `model_type` of each text encoder in transformers."""
    embedded_encoders: tuple[str, ...] = ()
    """The text encoders for which there may be embeddings (textual inversion)."""
    image_guidance: float = 1.5
    """Of models for editing."""
    steps: int = STEPS
    sampler: Sampler = Sampler.DPMPP_2M
    """`steps` and `sampler` are those of models that are not distilled."""
    flow_schedule: Mapping[str, object] = MappingProxyType({})
    """Of a family with flow matching, the parts of the noise schedule that no scheduler config has,
    as in `flow_matching.SCHEDULE`; else nothing."""
    rounding: StepRounding = StepRounding.DOWN
    """As its img2img pipeline rounds."""
    native_size: int | None = None
    """Where the denoiser's config does not say it."""
    sample_size: int | None = None
    """diffusers' default of a denoiser's option of this name, in latent pixels."""
    in_channels: int = 4
    latent_channels: int = 4
    """diffusers' defaults of the denoiser's and the VAE's options of these names."""
    max_tokens: Callable[[Mapping[str, Any]], int] | None = None
    """Tokens of the longest side that the denoiser has positions for, by its config; None without
    such a limit. Raises ValueError if the config is damaged."""
    packed_pixels: int = 1
    """Latent pixels of the VAE that are channels of one pixel of the denoiser."""
    ip_adapter: str = ""
    """The path of its usual IP-Adapter in https://huggingface.co/h94/IP-Adapter."""
    distillation: "Distillation | None" = None
    """Of all its models that are distilled, whatever their configs and names say; None for a family
    with several kinds."""

    @property
    def is_flow(self) -> bool:
        """Whether its models are trained with flow matching."""
        return bool(self.flow_schedule)

    def size_multiple(self, vae_scale_factor: int) -> int:
        """What the sides of pictures are multiples of, in pixels."""
        return _TOKEN_SIDE * vae_scale_factor if self.is_flow else SIZE_MULTIPLE

    def max_side(self, denoiser: Mapping[str, Any], vae_scale_factor: int) -> int:
        """The largest width and height in pixels; `denoiser` is its config."""
        if self.max_tokens is None:
            return MAX_SIZE
        return min(self.max_tokens(denoiser) * self.size_multiple(vae_scale_factor), MAX_SIZE)

    def noise_schedule(self, vae_scale_factor: int) -> dict[str, object]:
        """What the family adds to a model's scheduler config."""
        if not self.is_flow:
            return {}
        return {
            "prediction_type": FLOW_PREDICTION,
            "token_side": self.size_multiple(vae_scale_factor),
            **self.flow_schedule,
        }


def _crop_of_positions(denoiser: Mapping[str, Any]) -> int:
    """diffusers' SD3Transformer2DModel cuts the positions of a picture out of a square of them."""
    side = denoiser.get("pos_embed_max_size", 96)
    if not _is_count(side):
        raise ValueError(
            f"the pos_embed_max_size of the transformer is {side!r}; it must be a whole number "
            "from 1"
        )
    return int(side)


def _rotary_positions(denoiser: Mapping[str, Any]) -> int:
    """diffusers' ZImageTransformer2DModel has a table for the axes of text, height and width."""
    axes = denoiser.get("axes_lens", [1024, 512, 512])
    if not (isinstance(axes, list) and len(axes) == 3 and all(map(_is_count, axes))):
        raise ValueError(
            f"the axes_lens of the transformer are {axes!r}; they must be a list of three whole "
            "numbers from 1"
        )
    return int(min(axes[1:]))


def _is_count(value: object) -> bool:
    return type(value) is int and value > 0


_CLIP: Final = "clip_text_model"
STABLE_DIFFUSION: Final = FamilyDefaults(
    "Stable Diffusion 1 and 2",
    (
        "StableDiffusionPipeline",
        "StableDiffusionImg2ImgPipeline",
        "StableDiffusionInpaintPipeline",
        "StableDiffusionInstructPix2PixPipeline",
        "LatentConsistencyModelPipeline",
        "LatentConsistencyModelImg2ImgPipeline",
    ),
    7.5,
    networks=("unet", "vae", "text_encoder"),
    tokenizers=("tokenizer",),
    text_encoders={"text_encoder": _CLIP},
    embedded_encoders=("text_encoder",),
    native_size=512,
    ip_adapter="models/ip-adapter_sd15.safetensors",
)
IMAGE_VARIATION: Final = FamilyDefaults(
    "Stable Diffusion image variations",
    ("StableDiffusionImageVariationPipeline",),
    3.0,
    networks=("unet", "vae", "image_encoder"),
    tokenizers=(),
    abilities=("variations", "img2img", "inpaint"),
    native_size=512,
)
"""A guidance of 3 is that of the example on the page of its model
(https://huggingface.co/lambdalabs/sd-image-variations-diffusers)."""
STABLE_DIFFUSION_XL: Final = FamilyDefaults(
    "SDXL",
    (
        "StableDiffusionXLPipeline",
        "StableDiffusionXLImg2ImgPipeline",
        "StableDiffusionXLInpaintPipeline",
        "StableDiffusionXLInstructPix2PixPipeline",
    ),
    5.0,
    networks=("unet", "vae", "text_encoder", "text_encoder_2"),
    tokenizers=("tokenizer", "tokenizer_2"),
    text_encoders={"text_encoder": _CLIP, "text_encoder_2": _CLIP},
    embedded_encoders=("text_encoder", "text_encoder_2"),
    native_size=1024,
    ip_adapter="sdxl_models/ip-adapter_sdxl.safetensors",
)
STABLE_DIFFUSION_3: Final = FamilyDefaults(
    "Stable Diffusion 3",
    (
        "StableDiffusion3Pipeline",
        "StableDiffusion3Img2ImgPipeline",
        "StableDiffusion3InpaintPipeline",
    ),
    4.5,
    networks=("transformer", "vae", "text_encoder", "text_encoder_2"),
    tokenizers=("tokenizer", "tokenizer_2"),
    optional_networks=("text_encoder_3",),
    optional_tokenizers=("tokenizer_3",),
    denoiser="SD3Transformer2DModel",
    text_encoders={"text_encoder": _CLIP, "text_encoder_2": _CLIP, "text_encoder_3": "t5"},
    steps=28,
    sampler=Sampler.FLOW_EULER,
    flow_schedule={"shift_rule": "linear"},
    rounding=StepRounding.UP,
    sample_size=128,
    in_channels=16,
    max_tokens=_crop_of_positions,
)
"""28 steps with a guidance of 3.5 for Large, 40 with 4.5 for Medium
(https://huggingface.co/stabilityai/stable-diffusion-3.5-large and -medium)."""
STARTER_GUIDANCE: Final = 5.0
"""The starter was trained for a lower guidance scale than its family."""
STARTER_EDIT_GUIDANCE: Final = 7.5
STARTER_IMAGE_GUIDANCE: Final = 2.0
"""With these two, edits come nearest to what they ask for (`starter/steering/README.md`)."""


class Distillation(NamedTuple):
    """A way in which models were distilled, with the settings that suit them.

    A guidance of 1 is that of model cards which say 0: classifier-free guidance is off.
    """

    name: str
    steps: int
    guidance: float
    sampler: Sampler
    most_steps: int
    most_guidance: float
    """`most_steps` and `most_guidance` are limits of this program, above what the pages name."""
    is_trailing: bool = False
    """Whether its few steps must begin at the last timestep, as the pages below say."""


TURBO: Final = Distillation("Turbo", 4, 1.0, Sampler.EULER_A, 10, 3.0, is_trailing=True)
"""Adversarial diffusion distillation: 1 step, better 2 to 4, of Euler ancestral with trailing
timesteps, without guidance (https://huggingface.co/docs/diffusers/using-diffusers/sdxl_turbo).
Models that were trained on from it take 4 to 8 steps and a guidance of 2
(https://huggingface.co/Lykon/dreamshaper-xl-v2-turbo, https://civitai.com/models/112902)."""
LIGHTNING: Final = Distillation("Lightning", 4, 1.0, Sampler.EULER, 12, 3.0, is_trailing=True)
"""2, 4 or 8 steps, as many as the checkpoint is for, of Euler with trailing timesteps, without
guidance (https://huggingface.co/ByteDance/SDXL-Lightning). The one for 1 step predicts the sample.
Models that were trained on from it take 3 to 6 steps and a guidance of 2
(https://huggingface.co/Lykon/dreamshaper-xl-lightning, https://civitai.com/models/112902)."""
HYPER: Final = Distillation("Hyper", 8, 1.0, Sampler.DDIM, 20, 3.0, is_trailing=True)
"""2, 4 or 8 steps, as many as the weights are for, of DDIM with trailing timesteps, without
guidance (https://huggingface.co/ByteDance/Hyper-SD). The UNet for 1 step begins at timestep 800,
which no sampler here does."""
HYPER_CFG: Final = Distillation(
    "Hyper with guidance", 8, 5.0, Sampler.DDIM, 20, MAX_GUIDANCE, is_trailing=True
)
"""The variants with `CFG` in their names: 8 or 12 steps with a guidance of 5 to 8 (same page)."""
DMD: Final = Distillation("DMD2", 4, 1.0, Sampler.LCM, 12, 3.0)
"""4 steps of LCM without guidance (https://github.com/tianweiy/DMD2); 8 steps and a guidance of 1.4
to 1.8 with a part of its weights (https://civitai.com/models/1608870). The UNet for 1 step begins
at timestep 399, which no sampler here does."""
TCD: Final = Distillation("TCD", 4, 1.0, Sampler.TCD, 50, 3.0)
"""4 steps without guidance, with an eta of 0.3, which is the sampler's default here too
(https://huggingface.co/h1t/TCD-SD15-LoRA); more steps are allowed
(https://huggingface.co/docs/diffusers/using-diffusers/inference_with_tcd_lora)."""
LCM: Final = Distillation("LCM", 4, 1.0, Sampler.LCM, 12, 3.0)
"""2 to 8 steps without guidance or with one of 1 to 2, as the model card of the LoRA says
(https://huggingface.co/latent-consistency/lcm-lora-sdxl, read in a copy,
https://huggingface.co/Linaqruf/lcm-lora-sdxl-rank1)."""
LCM_EMBEDDED: Final = Distillation("LCM", 4, 8.0, Sampler.LCM, 12, 15.0)
"""An LCM whose UNet has the guidance as an input: 1 to 50 steps, recommended 1 to 8, with a
guidance of 8 (the example of https://huggingface.co/SimianLuo/LCM_Dreamshaper_v7, read in copies).
Not confirmed: that it was distilled with guidances of 2 to 14 (https://arxiv.org/abs/2310.04378)."""
KLEIN: Final = Distillation("klein", 4, 1.0, Sampler.FLOW_EULER, 12, 1.0)
"""4 steps without guidance (https://huggingface.co/black-forest-labs/FLUX.2-klein-4B)."""
FLUX_2_KLEIN: Final = FamilyDefaults(
    "FLUX.2 klein",
    ("Flux2KleinPipeline", "Flux2KleinInpaintPipeline"),
    4.0,
    networks=("transformer", "vae", "text_encoder"),
    tokenizers=("tokenizer",),
    denoiser="Flux2Transformer2DModel",
    text_encoders={"text_encoder": "qwen3"},
    steps=50,
    sampler=Sampler.FLOW_EULER,
    flow_schedule={"shift_rule": "flux_2", "has_even_sigmas": True},
    rounding=StepRounding.UP,
    native_size=1024,
    in_channels=128,
    latent_channels=32,
    packed_pixels=4,
    distillation=KLEIN,
)
"""50 steps with a guidance of 4 for models that are not distilled
(https://huggingface.co/black-forest-labs/FLUX.2-klein-base-4B)."""
Z_IMAGE: Final = FamilyDefaults(
    "Z-Image",
    ("ZImagePipeline", "ZImageImg2ImgPipeline", "ZImageInpaintPipeline"),
    5.0,
    networks=("transformer", "vae", "text_encoder"),
    tokenizers=("tokenizer",),
    denoiser="ZImageTransformer2DModel",
    text_encoders={"text_encoder": "qwen3"},
    steps=50,
    sampler=Sampler.FLOW_EULER,
    flow_schedule={"shift_rule": "linear", "has_even_sigmas": True},
    rounding=StepRounding.UP,
    native_size=1024,
    in_channels=16,
    max_tokens=_rotary_positions,
    distillation=Distillation("Turbo", 8, 1.0, Sampler.FLOW_EULER, 20, 3.0),
)
"""50 steps, or Turbo: 8 steps without guidance (https://huggingface.co/Tongyi-MAI/Z-Image-Turbo)."""
FAMILIES: Final = (
    STABLE_DIFFUSION,
    IMAGE_VARIATION,
    STABLE_DIFFUSION_XL,
    STABLE_DIFFUSION_3,
    FLUX_2_KLEIN,
    Z_IMAGE,
)

_BY_NAME: Final = {
    distillation.name: distillation
    for distillation in (TURBO, LIGHTNING, HYPER_CFG, HYPER, DMD, TCD, LCM)
}
"""What names and labels may say."""
_SCHEDULERS: Final = {"LCMScheduler": LCM, "TCDScheduler": TCD}
"""Classes in scheduler configs that only distilled models have."""
_FEW_STEPS: Final = {
    "EulerDiscreteScheduler": Sampler.EULER,
    "EulerAncestralDiscreteScheduler": Sampler.EULER_A,
    "FlowMatchEulerDiscreteScheduler": Sampler.FLOW_EULER,
}
"""Classes in the scheduler configs of Turbo and Lightning models, and their samplers."""
_STEPS_IN_NAME: Final = re.compile(r"\b(\d{1,2}) ?steps?\b")


def distillation_of(
    name: str,
    scheduler: Mapping[str, object],
    denoiser: Mapping[str, object],
    labels: Iterable[str] = (),
) -> Distillation | None:
    """How a model was distilled; None if nothing says that it was.

    `name` is the model's name, `scheduler` and `denoiser` are its configs, and `labels` are those
    of its model card, such as tags and base models.
    """
    words = words_of(PurePath(name.replace("\\", "/")).name)
    distillation = _by_configs(scheduler, denoiser, [words, *map(words_of, labels)])
    steps = _STEPS_IN_NAME.search(words)
    if distillation is None or steps is None or not 1 <= int(steps[1]) <= distillation.most_steps:
        return distillation
    return distillation._replace(steps=int(steps[1]))


def default_sampler(
    samplers: Collection[Sampler],
    distillation: Distillation | None = None,
    family: FamilyDefaults = STABLE_DIFFUSION,
) -> Sampler:
    """The default of a model that works with these samplers, at least one."""
    for sampler in (*([] if distillation is None else [distillation.sampler]), family.sampler):
        if sampler in samplers:
            return sampler
    return next(iter(samplers))


def _by_configs(
    scheduler: Mapping[str, object], denoiser: Mapping[str, object], texts: Iterable[str]
) -> Distillation | None:
    if denoiser.get("time_cond_proj_dim") is not None:
        return LCM_EMBEDDED
    class_name = str(scheduler.get("_class_name"))
    sampler = _FEW_STEPS.get(class_name)
    for text in texts:
        name = distillation_word(text)
        if name is not None:
            if name == TURBO.name and sampler is not None:
                return TURBO._replace(sampler=sampler)
            return _BY_NAME[name]
    if class_name in _SCHEDULERS:
        return _SCHEDULERS[class_name]
    is_trailing = scheduler.get("timestep_spacing") == "trailing"
    if is_trailing and sampler is not None and _begins_with_signal(scheduler):
        # Other models may have this spacing too, so other settings are not refused.
        return TURBO._replace(sampler=sampler, most_steps=MAX_STEPS, most_guidance=MAX_GUIDANCE)
    return None


def _begins_with_signal(scheduler: Mapping[str, object]) -> bool:
    """Whether this is not a noise schedule that ends in pure noise, which needs the spacing of
    distilled models for another reason (https://arxiv.org/abs/2305.08891)."""
    is_epsilon = scheduler.get("prediction_type", "epsilon") == "epsilon"
    return is_epsilon and not scheduler.get("rescale_betas_zero_snr")
