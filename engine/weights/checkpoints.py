"""Tell from the header of a single-file checkpoint what is in it; the weights are not read.

The format is safetensors (https://github.com/huggingface/safetensors#format), with the names of
tensors that the authors' own code gives to Stable Diffusion 1 and 2 and to SDXL, and to the
transformers of Stable Diffusion 3, FLUX.2 klein and Z-Image.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from engine.errors import ModelCorrupt, unreadable
from engine.weights.readme import one_line
from engine.weights.unsupported_files import UNET, family_of_transformer, unsupported_kind
from engine.weights.weight_types import quantised_tensor

SUFFIX: Final = ".safetensors"
MAX_HEADER_BYTES: Final = 100_000_000
"""The limit of the safetensors library."""
_LENGTH_BYTES: Final = 8
_FIRST: Final = f"{UNET}input_blocks.0.0.weight"
_METADATA: Final = "__metadata__"
_CLIP: Final = "cond_stage_model.transformer."
_OPENCLIP: Final = "cond_stage_model.model."
_SGM_OPENCLIP: Final = "conditioner.embedders.0.model."
_BY_TRANSFORMERS: Final = re.compile(r"^text_encoders\.clip_[lgh]\.transformer\.")
"""Forge has the names of transformers in all text encoders, as the authors in the first one."""
_PROJECTION: Final = "text_projection.weight"
"""Of ComfyUI and Forge in the first text encoder too, which does not use it."""
_XL_CONTEXT: Final = 2048
_PREDICTION_TYPES: Final = {
    "v": "v_prediction",
    "v_prediction": "v_prediction",
    "epsilon": "epsilon",
    "eps": "epsilon",
}
"""Values of `modelspec.prediction_type` (https://github.com/Stability-AI/ModelSpec), and what
diffusers calls them."""
_PREDICT_KEY: Final = "modelspec.predict_key"
"""ComfyUI's name of it (comfy_extras/nodes_model_merging.py)."""


class Kind(StrEnum):
    """What a checkpoint is a model of; the values are names for the operator."""

    SD1 = "Stable Diffusion 1"
    SD2 = "Stable Diffusion 2"
    SDXL = "SDXL"
    SD3 = "Stable Diffusion 3"
    FLUX_2_KLEIN = "FLUX.2 klein"
    Z_IMAGE = "Z-Image"


TRANSFORMERS: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.SD3: ("x_embedder.proj.weight",),
    Kind.FLUX_2_KLEIN: ("img_in.weight",),
    Kind.Z_IMAGE: ("x_embedder.weight", "all_x_embedder.2-1.weight"),
}
"""The kinds whose checkpoints have a transformer, and the names of its first tensor, that of
diffusers last where its other names would be taken for the authors'."""
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
_ARCHITECTURES: Final = {
    "stable-diffusion-v2-512": "epsilon",
    "stable-diffusion-v2-768-v": "v_prediction",
}
"""Values of `modelspec.architecture` that say what the model predicts."""
_VAES: Final = ("first_stage_model.", "vae.")


class Tensor(msgspec.Struct, frozen=True):
    """What the header says about a tensor."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


class Header(msgspec.Struct, frozen=True):
    """The header of a safetensors file."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]


class Checkpoint(msgspec.Struct, frozen=True):
    """A checkpoint of a supported kind."""

    path: Path
    kind: Kind
    components: Mapping[str, Mapping[str, str]]
    """For each component of the pipeline whose weights are in the file, the name of each tensor in
    the file by its standard name."""
    channels: int
    """Of the UNet's first convolution, or the transformer's width."""
    context_size: int
    """Of the embeddings that the UNet reads; 0 without cross-attention."""
    licence: str | None
    """As the metadata names it."""
    scheduler_changes: Mapping[str, object]
    """What the file says about its noise schedule, as in diffusers' scheduler configs."""
    faults: Mapping[str, str]
    """Why optional components in the file cannot be loaded, as sentences."""


def read_checkpoint(path: Path, name: str) -> Checkpoint:
    """The checkpoint in this file; `name` is the model's name in error messages.

    Raises ModelCorrupt if the file is damaged or something else, and StorageFailed if it cannot be
    read.
    """
    header = read_header(path, name)
    prefix = _NESTED if f"{_NESTED}{_FIRST}" in header.tensors else ""
    tensors = {key.removeprefix(prefix): tensor for key, tensor in header.tensors.items()}
    if other := unsupported_kind(tensors):
        raise ModelCorrupt(
            f"The file {name} is {other}; give a whole checkpoint of Stable Diffusion 1, 2 or "
            "SDXL, or the transformer of Stable Diffusion 3, FLUX.2 klein or Z-Image."
        )
    kind = _kind(tensors)
    components = (
        _transformer_components(tensors)
        if kind in TRANSFORMERS
        else _components(tensors, kind, prefix)
    )
    faults = _quantised(components, header.tensors, name)
    required = [fault for component, fault in faults.items() if component != OPTIONAL]
    if required:
        raise ModelCorrupt(required[0])
    return Checkpoint(
        path=path,
        kind=kind,
        components=components,
        faults=faults,
        channels=_channels(tensors, kind, name),
        context_size=_context_size(tensors),
        licence=one_line(header.metadata.get("modelspec.license", "")) or None,
        scheduler_changes=_scheduler_changes(tensors, header.metadata),
    )


def read_header(path: Path, name: str) -> Header:
    """The header of a safetensors file; `name` is the model's name in error messages.

    Raises ModelCorrupt if it is damaged or the file is shorter than it says, and StorageFailed if
    it cannot be read.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            text = file.read(length) if length <= MAX_HEADER_BYTES else b""
    except OSError as error:
        raise unreadable(f"the model {name}", error) from error
    if size == 0:
        raise ModelCorrupt(f"The file {name} is empty: download it again.")
    if size < _LENGTH_BYTES or not text.startswith(b"{"):
        raise ModelCorrupt(f"The file {name} is not a safetensors file, or it is damaged.")
    if _LENGTH_BYTES + length > size:
        raise _cut_off(name)
    header = _parse(text, name)
    data = size - _LENGTH_BYTES - length
    if any(tensor.data_offsets[1] > data for tensor in header.tensors.values()):
        raise _cut_off(name)
    return header


def _parse(text: bytes, name: str) -> Header:
    try:
        items = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(items.pop(_METADATA, b"{}"), type=dict[str, str] | None)
        tensors = {key: msgspec.json.decode(raw, type=Tensor) for key, raw in items.items()}
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ModelCorrupt(f"The file {name} has a damaged header: {error}") from error
    return Header(tensors, metadata or {})


def _cut_off(name: str) -> ModelCorrupt:
    return ModelCorrupt(f"The file {name} is cut off: download it again.")


def _quantised(
    components: Mapping[str, Mapping[str, str]], tensors: Mapping[str, Tensor], name: str
) -> dict[str, str]:
    """For each component with quantised weights, a sentence that names a tensor."""
    faults = {
        component: quantised_tensor({tensor: tensors[tensor] for tensor in members.values()})
        for component, members in components.items()
    }
    return {part: f"The file {name} is {fault}." for part, fault in faults.items() if fault}


def _channels(tensors: Mapping[str, Tensor], kind: Kind, name: str) -> int:
    """Raises ModelCorrupt if the first layer of a transformer is missing or has no weights."""
    if kind not in TRANSFORMERS:
        return tensors[_FIRST].shape[0]
    for first in TRANSFORMERS[kind]:
        for whole in (first, UNET + first):
            if whole in tensors and tensors[whole].shape:
                return tensors[whole].shape[0]
    raise ModelCorrupt(f"The file {name} is damaged: it has no {TRANSFORMERS[kind][0]}.")


def _kind(tensors: Mapping[str, Tensor]) -> Kind:
    """SDXL by its UNet, the others by the text encoder or, without one, by the UNet too; without a
    UNet by the transformer."""
    if _FIRST not in tensors:
        family = family_of_transformer(tensors) or ""
        return Kind.FLUX_2_KLEIN if family == "FLUX.2" else Kind(family)
    if f"{UNET}label_emb.0.0.weight" in tensors or _context_size(tensors) == _XL_CONTEXT:
        return Kind.SDXL
    for kind in (Kind.SD1, Kind.SD2):
        [prefixes] = _TEXT_ENCODERS[kind].values()
        if _first_present(tensors, prefixes) is not None:
            return kind
    # Stable Diffusion 2 has linear layers where Stable Diffusion 1 has convolutions.
    projections = [tensor for name, tensor in tensors.items() if name.endswith("1.proj_in.weight")]
    is_linear = any(len(tensor.shape) == 2 for tensor in projections)
    return Kind.SD2 if is_linear else Kind.SD1


def _context_size(tensors: Mapping[str, Tensor]) -> int:
    sizes = (
        tensor.shape[-1]
        for name, tensor in tensors.items()
        if name.startswith(UNET) and name.endswith("attn2.to_k.weight") and tensor.shape
    )
    return next(sizes, 0)


def _components(
    tensors: Mapping[str, Tensor], kind: Kind, prefix: str
) -> dict[str, dict[str, str]]:
    """`prefix` is what the names in the file have before those of `tensors`."""
    components: dict[str, dict[str, str]] = {}
    for component, prefixes in {"unet": (UNET,), "vae": _VAES, **_TEXT_ENCODERS[kind]}.items():
        beginning = _first_present(tensors, prefixes)
        if beginning is not None:
            components[component] = {
                _standard_name(name): prefix + name
                for name in tensors
                if name.startswith(beginning)
                and not (component == "text_encoder" and name.endswith(_PROJECTION))
            }
    return components


def _transformer_components(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, str]]:
    """The names of the other components are those that diffusers expects."""
    vae = _first_present(tensors, _VAES)
    parts = {**_SD3_PARTS, **({} if vae is None else {"vae": vae})}
    components = {
        component: {name: name for name in tensors if name.startswith(beginning)}
        for component, beginning in parts.items()
    }
    others = {name for members in components.values() for name in members}
    is_prefixed = _first_present(tensors, [UNET]) is not None
    components["transformer"] = {
        name.removeprefix(UNET): name
        for name in tensors
        if (name.startswith(UNET) if is_prefixed else name not in others)
    }
    return {component: members for component, members in components.items() if members}


def _first_present(tensors: Mapping[str, Tensor], prefixes: Iterable[str]) -> str | None:
    """The first prefix that names begin with."""
    return next(
        (prefix for prefix in prefixes if any(name.startswith(prefix) for name in tensors)), None
    )


def _standard_name(name: str) -> str:
    """As diffusers expects it. Some programs leave a part out of the names of a text encoder's
    tensors."""
    if name.startswith(_SGM_OPENCLIP):
        return _OPENCLIP + name.removeprefix(_SGM_OPENCLIP)
    return _SHORT_NAME.sub(r"\g<0>text_model.", _BY_TRANSFORMERS.sub(_CLIP, name))


def _scheduler_changes(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> dict[str, object]:
    """From the metadata, or from the empty tensors that trainers of SDXL add."""
    changes: dict[str, object] = {}
    prediction = _PREDICTION_TYPES.get(
        metadata.get("modelspec.prediction_type", metadata.get(_PREDICT_KEY, "")).lower(),
        _ARCHITECTURES.get(metadata.get("modelspec.architecture", "").lower()),
    )
    if "v_pred" in tensors:
        prediction = "v_prediction"
    if prediction is not None:
        changes["prediction_type"] = prediction
    if "ztsnr" in tensors:
        changes |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return changes
