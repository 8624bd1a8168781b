"""Recognise safetensors files that are no checkpoints of a supported kind."""

import re
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from engine.weights.readme import one_line

UNET: Final = "model.diffusion_model."
"""The prefix of the UNet's tensors."""
LANGUAGE_MODEL: Final = re.compile(
    r"^(?:text_encoders\.\w+\.(?:transformer\.)?|text_encoder\.|conditioner\.embedders\.0\."
    r"transformer\.)(?=model\.)"
)
"""The prefix of the tensors of a language model, in checkpoints of FLUX.2 klein and Z-Image that
have all networks. The first one is that of ComfyUI, such as `text_encoders.qwen3_4b.transformer.`.
"""
_ENDS: Final = (f"{UNET}input_blocks.0.0.weight", f"{UNET}out.2.weight")
"""The first and the last convolution of a UNet."""
_AVERAGED: Final = "model_ema."
"""Trainers remove the dots from the names of averaged weights."""
_REFINER_WIDTH: Final = 1280
_FEW: Final = 8
"""An embedding has fewer tensors than this, and a network more."""


class TensorShape(Protocol):
    """What is needed of a tensor's entry in the header."""

    @property
    def dtype(self) -> str:
        """Its data type, such as "F16"."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""


def _pattern(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts))


_PREFIX: Final = r"^(?:model\.diffusion_model\.)?"
_ADDITIONS: Final = (
    (
        "a LoRA",
        _pattern(
            r"[._]lora[._]", r"lora_(?:up|down|[ABab])\b", r"hada_w", r"lokr_w", r"oft_blocks"
        ),
    ),
    (
        "a ControlNet",
        _pattern(r"^control_model\.", r"controlnet_", r"input_hint_block", r"^control_"),
    ),
    ("an IP-Adapter", _pattern(r"^ip_adapter\.", r"^image_proj\.")),
    ("a motion module", _pattern(r"motion_modules\.")),
)
"""What is added to a model, by patterns in the names of its tensors."""
_FAMILIES: Final = (
    ("Stable Diffusion 3", _pattern(_PREFIX + r"joint_blocks\.")),
    ("Hunyuan Video", _pattern(r"individual_token_refiner", r"context_embedder\.token_refiner\.")),
    ("Chroma", _pattern(_PREFIX + r"distilled_guidance_layer\.")),
    ("HiDream", _pattern(_PREFIX + r"double_stream_blocks\.")),
    ("FLUX.2", _pattern(_PREFIX + r"single_stream_modulation\.")),
    ("FLUX", _pattern(_PREFIX + r"double_blocks\.", _PREFIX + r"single_blocks\.")),
    ("Z-Image", _pattern(_PREFIX + r"layers\.0\.adaLN_modulation\.0\.")),
    ("Lumina", _pattern(_PREFIX + r"cap_embedder\.")),
    ("Qwen-Image", _pattern(_PREFIX + r"transformer_blocks\.\d+\.txt_mlp\.", r"txt_in\.text_norm")),
    ("AuraFlow", _pattern(_PREFIX + r"(?:double_layers|joint_transformer_blocks)\.")),
    ("Wan", _pattern(_PREFIX + r"head\.modulation$")),
    ("LTX-Video", _pattern(_PREFIX + r"patchify_proj\.")),
    ("Stable Cascade", _pattern(r"clip_txt_mapper", r"\.channelwise\.")),
    ("Playground 2.5", _pattern(r"^edm_mean$")),
    ("FLUX", _pattern(_PREFIX + r"single_transformer_blocks\.")),  # this and the next: diffusers'
    ("Stable Diffusion 3", _pattern(_PREFIX + r"(?:pos_embed\.pos_embed$|time_text_embed\.text)")),
    ("PixArt or Sana", _pattern(_PREFIX + r"(?:caption_projection|adaln_single|y_embedder)\.")),
    ("a transformer", _pattern(_PREFIX + r"(?:transformer_blocks|blocks|layers)\.\d+\.")),
)
"""Models of other families."""
SUPPORTED: Final = frozenset({"Stable Diffusion 3", "FLUX.2", "Z-Image"})
"""Families of which a checkpoint with the transformer can be loaded."""
_GUIDANCE: Final = _pattern(
    _PREFIX + r"guidance_in\.", _PREFIX + r"time_guidance_embed\.guidance_embedder\."
)
"""In FLUX.2 klein, the guidance is no input of the transformer."""
_PARTS: Final = (
    ("a UNet alone", _pattern(r"^(?:unet\.)?(?:down_blocks|mid_block|input_blocks)\.")),
    ("an upscaler", _pattern(r"^(?:params(?:_ema)?\.)?conv_first\.", r"^model\.0\.weight$")),
    (
        "a VAE alone",
        _pattern(r"^(?:first_stage_model\.|vae\.)?(?:encoder|decoder)\.(?:conv_in|down|up|mid)"),
    ),
    (
        "a text encoder alone",
        _pattern(
            r"text_model\.",
            r"^encoder\.block\.",
            r"resblocks\.",
            r"^(?:language_)?model\.(?:layers|embed_tokens)\.",
        ),
    ),
)
"""Parts of a model."""


def unsupported_kind(tensors: Mapping[str, TensorShape]) -> str | None:
    """What a file with these tensors is, as the predicate of a sentence; None if it has a UNet of
    Stable Diffusion 1 or 2 or of SDXL, or a transformer of SUPPORTED."""
    if not tensors:
        return "empty: it has no tensors"
    if addition := _first(_ADDITIONS, tensors):
        return f"{addition}, which is no model by itself"
    if (unet := _unsupported_unet(tensors)) is not None:
        return unet or None
    if family := family_of_transformer(tensors):
        if family in SUPPORTED:
            return _unsupported_transformer(family, tensors)
        of_family = family if family.startswith("a ") else f"a model of the family {family}"
        return f"{of_family}, which is not supported"
    if any(name.startswith(_AVERAGED) for name in tensors):
        return "without a UNet except for averaged weights (EMA), whose names are incomplete"
    if part := _first(_PARTS, tensors):
        return part
    if len(tensors) < _FEW and all(len(tensor.shape) <= 2 for tensor in tensors.values()):
        return "a textual inversion embedding, which is no model by itself"
    return "of an unknown kind"


def family_of_transformer(tensors: Iterable[str]) -> str | None:
    """The name of a family that has no UNet, by the names of tensors."""
    return _first(_FAMILIES, tensors)


def _unsupported_transformer(family: str, tensors: Iterable[str]) -> str | None:
    """Why a transformer of one of SUPPORTED is not supported."""
    names = list(tensors)
    if any(map(_GUIDANCE.search, names)):
        return f"a model of the family {family} that is not klein, which is not supported"
    encoders = [name for name in names if name.startswith("text_encoders.")]
    is_unknown = encoders and not any(map(LANGUAGE_MODEL.match, encoders))
    if family != "Stable Diffusion 3" and is_unknown:
        return (
            f"a checkpoint of {family} with a text encoder whose tensors have unknown names, such "
            f"as {one_line(encoders[0])}, which is supported only as a diffusers folder or without "
            "the text encoder"
        )
    return None


def _first(table: Iterable[tuple[str, re.Pattern[str]]], tensors: Iterable[str]) -> str | None:
    return next((text for text, pattern in table if any(map(pattern.search, tensors))), None)


def _unsupported_unet(tensors: Mapping[str, TensorShape]) -> str | None:
    """What another kind of UNet is for, "" for the supported kind, None if there is no UNet."""
    first, last = map(tensors.get, _ENDS)
    if first is None and last is None:
        return None
    if first is None or last is None:
        missing = _ENDS[0] if first is None else _ENDS[1]
        return f"damaged: its UNet has no {missing.removeprefix(UNET)}"
    if len(first.shape) != 4 or len(last.shape) != 4:
        return "damaged: its UNet has convolutions of another shape"
    if _is_refiner(tensors):
        return "an SDXL refiner, which is not supported"
    if _is_unclip(tensors):
        return "an unCLIP model, which is made of pictures; that is not supported"
    if "edm_mean" in tensors:
        return "a model of the family Playground 2.5, which is not supported"
    if "edm_vpred.sigma_max" in tensors:
        return "a model of the family CosXL, which is not supported"
    if any(name.startswith(UNET) and "cond_proj" in name for name in tensors):
        return (
            "a latent consistency model with the guidance as an input of its UNet, which is "
            "supported only as a diffusers folder"
        )
    added = first.shape[1] - last.shape[0]
    names = {1: "a depth model", 3: "an upscaling model"}
    latents = last.shape[0]
    if added not in (0, latents, latents + 1):  # the others are for editing and for inpainting
        name = names.get(added, "a model of another kind")
        return f"{name}, because its UNet takes {first.shape[1]} channels; that is not supported"
    return ""


def _is_refiner(tensors: Mapping[str, TensorShape]) -> bool:
    """A refiner has only the second text encoder of SDXL, and other time embeddings."""
    words = tensors.get("conditioner.embedders.0.model.token_embedding.weight")
    if words is not None and words.shape[-1:] == (_REFINER_WIDTH,):
        return True
    embedding = tensors.get(f"{UNET}label_emb.0.0.weight")
    return embedding is not None and embedding.shape[-1:] == (2560,)


def _is_unclip(tensors: Mapping[str, TensorShape]) -> bool:
    """A UNet of Stable Diffusion 2 that reads embeddings of pictures, with their noise levels."""
    embedding = tensors.get(f"{UNET}label_emb.0.0.weight")
    return embedding is not None and embedding.shape[-1:] in ((1536,), (2048,))
