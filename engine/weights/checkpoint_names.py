"""The names of the tensors in a checkpoint: its kind, and the components that they belong to.

Names are those of the authors' own code, of diffusers (transformers), of Stability's later code, of
Forge and of ComfyUI.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Final

from engine.weights.unsupported_files import (
    LANGUAGE_MODEL,
    SUPPORTED,
    UNET,
    family_of_transformer,
)

FIRST_OF_UNET: Final = f"{UNET}input_blocks.0.0.weight"
_CLIP: Final = "cond_stage_model.transformer."
_OPENCLIP: Final = "cond_stage_model.model."
_SGM_OPENCLIP: Final = "conditioner.embedders.0.model."
_BY_TRANSFORMERS: Final = re.compile(r"^text_encoders\.clip_[lgh]\.transformer\.")
"""Forge has the names of transformers in all text encoders, as the authors in the first one."""
_PROJECTION: Final = "text_projection.weight"
"""Of ComfyUI and Forge in the first text encoder too, which does not use it."""
VAES: Final = ("first_stage_model.", "vae.")


class Kind(StrEnum):
    """What a checkpoint is a model of; the values are names for the operator."""

    SD1 = "Stable Diffusion 1"
    SD2 = "Stable Diffusion 2"
    SDXL = "SDXL"
    SD3 = "Stable Diffusion 3"
    FLUX_2_KLEIN = "FLUX.2 klein"
    Z_IMAGE = "Z-Image"


TRANSFORMERS: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.SD3: ("x_embedder.proj.weight", "pos_embed.proj.weight"),
    Kind.FLUX_2_KLEIN: ("img_in.weight", "x_embedder.weight"),
    Kind.Z_IMAGE: ("x_embedder.weight", "all_x_embedder.2-1.weight"),
}
"""The kinds whose checkpoints have a transformer, and the names of its first tensor: that of the
authors, and that of diffusers."""
_SD3_PARTS: Final = {
    "text_encoder": "text_encoders.clip_l.transformer.",
    "text_encoder_2": "text_encoders.clip_g.transformer.",
    "text_encoder_3": "text_encoders.t5xxl.transformer.",
}
"""What else checkpoints of Stable Diffusion 3 may have, besides a VAE."""
OPTIONAL: Final = "text_encoder_3"
"""T5, without which Stable Diffusion 3 paints too."""


def _forge(encoder: str) -> str:
    return f"text_encoders.clip_{encoder}.transformer."


_TEXT_ENCODERS: Final[Mapping[Kind, Mapping[str, tuple[str, ...]]]] = {
    Kind.SD1: {"text_encoder": (_CLIP, "conditioner.embedders.0.transformer.", _forge("l"))},
    Kind.SD2: {"text_encoder": (_OPENCLIP, _SGM_OPENCLIP, _forge("h"))},
    Kind.SDXL: {
        "text_encoder": ("conditioner.embedders.0.transformer.", _forge("l")),
        "text_encoder_2": ("conditioner.embedders.1.model.", _forge("g")),
    },
}
"""The prefixes that the tensors of each text encoder may have: those of the authors, of Stability's
later code (https://github.com/Stability-AI/generative-models), and of Forge (`save_checkpoint` in
backend/diffusion_engine/base.py)."""
_SHORT_NAME: Final = re.compile(
    r"^(?:cond_stage_model|conditioner\.embedders\.0)\.transformer\."
    r"(?=embeddings\.|encoder\.|final_layer_norm\.)"
)
_NESTED: Final = "state_dict."
"""Before all names, if a program wrote the whole file of a trainer."""
_OTHER_PREFIXES: Final = (
    *("diffusion_model.", "transformer.", "model.model.", "model.", "module.", "net."),
)
"""What some programs write before the names of a transformer's tensors in place of UNET."""
_TEXT: Final = ("text_encoders.", "conditioner.", "cond_stage_model.")
"""Before names that are not of a transformer, though it has no prefix."""


def plain_names(names: Collection[str]) -> dict[str, str]:
    """The names of a file's tensors by those that they have in other files, which are not nested,
    and whose transformer has no other prefix than UNET."""
    nested = [name for name in names if name.startswith(_NESTED)]
    plain = {name.removeprefix(_NESTED): name for name in nested or names}
    if _under(UNET, plain) or family_of_transformer(plain) in SUPPORTED:
        return plain
    for prefix in _OTHER_PREFIXES:
        inside = [name.removeprefix(prefix) for name in plain if name.startswith(prefix)]
        if family_of_transformer(inside) in SUPPORTED:
            return {
                UNET + name.removeprefix(prefix) if name.startswith(prefix) else name: original
                for name, original in plain.items()
            }
    return plain


def kind_of_text_encoder(names: Collection[str]) -> Kind | None:
    """Stable Diffusion 1 or 2, by the names of the text encoder; None without one."""
    for kind in (Kind.SD1, Kind.SD2):
        [prefixes] = _TEXT_ENCODERS[kind].values()
        if _first_present(names, prefixes) is not None:
            return kind
    return None


def components_of(kind: Kind, names: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """For each component in a checkpoint of this kind, the name of each tensor in the file by its
    standard name, which is what diffusers expects; `names` are those of `plain_names`."""
    find = _transformer_components if kind in TRANSFORMERS else _unet_components
    return {
        component: {standard: names[plain] for standard, plain in members.items()}
        for component, members in find(kind, names).items()
        if members
    }


def _unet_components(kind: Kind, names: Collection[str]) -> dict[str, dict[str, str]]:
    components: dict[str, dict[str, str]] = {}
    for component, prefixes in {"unet": (UNET,), "vae": VAES, **_TEXT_ENCODERS[kind]}.items():
        beginning = _first_present(names, prefixes)
        if beginning is not None:
            components[component] = {
                _standard_name(name): name
                for name in names
                if name.startswith(beginning)
                and not (component == "text_encoder" and name.endswith(_PROJECTION))
            }
    return components


def _transformer_components(kind: Kind, names: Collection[str]) -> dict[str, dict[str, str]]:
    vae = _first_present(names, VAES)
    components = {} if vae is None else {"vae": {name: name for name in _under(vae, names)}}
    if kind is Kind.SD3:
        for component, prefix in _SD3_PARTS.items():
            components[component] = {name: name for name in _under(prefix, names)}
    else:
        matches = (match for match in map(LANGUAGE_MODEL.match, names) if match)
        for first in [match[0] for match in matches][:1]:
            text = _under(first, names)
            components["text_encoder"] = {name.removeprefix(first): name for name in text}
    others = {name for members in components.values() for name in members.values()}
    is_prefixed = _first_present(names, [UNET]) is not None
    components["transformer"] = {
        name.removeprefix(UNET): name
        for name in names
        if (
            name.startswith(UNET)
            if is_prefixed
            else name not in others and not name.startswith(_TEXT)
        )
    }
    return components


def _under(prefix: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(prefix)]


def _first_present(names: Iterable[str], prefixes: Iterable[str]) -> str | None:
    """The first prefix that names begin with."""
    return next((prefix for prefix in prefixes if _under(prefix, names)), None)


def _standard_name(name: str) -> str:
    """Some programs leave a part out of the names of a text encoder's tensors."""
    if name.startswith(_SGM_OPENCLIP):
        return _OPENCLIP + name.removeprefix(_SGM_OPENCLIP)
    return _SHORT_NAME.sub(r"\g<0>text_model.", _BY_TRANSFORMERS.sub(_CLIP, name))
