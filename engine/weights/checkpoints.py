"""Tell from the header of a single-file checkpoint what is in it; the weights are not read.

The format is safetensors (https://github.com/huggingface/safetensors#format) or GGUF. The names of
tensors are those that the authors' own code gives to Stable Diffusion 1 and 2 and to SDXL, and to
the transformers of Stable Diffusion 3, FLUX.2 klein and Z-Image.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from engine.errors import ModelCorrupt
from engine.weights import gguf
from engine.weights.checkpoint_names import (
    FIRST_OF_UNET,
    OPTIONAL,
    TRANSFORMERS,
    Kind,
    components_of,
    kind_of_text_encoder,
    plain_names,
)
from engine.weights.header import Tensor, read_header
from engine.weights.readme import one_line
from engine.weights.unsupported_files import UNET, family_of_transformer, unsupported_kind
from engine.weights.weight_types import quantised_tensor

SUFFIX: Final = ".safetensors"
_XL_CONTEXT: Final = 2048
_PREDICTION_TYPES: Final = {
    "v": "v_prediction",
    "v_prediction": "v_prediction",
    "epsilon": "epsilon",
    "eps": "epsilon",
}
"""Values of `modelspec.prediction_type` (https://github.com/Stability-AI/ModelSpec), and what
diffusers calls them."""
_LABELS: Final = ("modelspec.title", "ss_sd_model_name")
"""The second one is of kohya's trainers (https://github.com/kohya-ss/sd-scripts)."""
_PREDICT_KEY: Final = "modelspec.predict_key"
"""ComfyUI's name of it (comfy_extras/nodes_model_merging.py)."""


_ARCHITECTURES: Final = {
    "stable-diffusion-v2-512": "epsilon",
    "stable-diffusion-v2-768-v": "v_prediction",
}
"""Values of `modelspec.architecture` that say what the model predicts."""


class Checkpoint(msgspec.Struct, frozen=True):
    """A checkpoint of a supported kind."""

    path: Path
    kind: Kind
    components: Mapping[str, Mapping[str, str]]
    """For each component of the pipeline whose weights are in the file, the name of each tensor in
    the file by its standard name."""
    channels: int
    """Of the UNet's first convolution, or the transformer's width."""
    in_channels: int
    """Of the UNet's input; 0 for a transformer."""
    context_size: int
    """Of the embeddings that the UNet reads; 0 without cross-attention."""
    licence: str | None
    """As the metadata names it."""
    labels: tuple[str, ...]
    """What the metadata calls the model, and the model that it was trained from."""
    scheduler_changes: Mapping[str, object]
    """What the file says about its noise schedule, as in diffusers' scheduler configs."""
    faults: Mapping[str, str]
    """Why optional components in the file cannot be loaded, as sentences."""


def read_checkpoint(path: Path, name: str) -> Checkpoint:
    """The checkpoint in this file; `name` is the model's name in error messages.

    Raises ModelCorrupt if the file is damaged or something else, and StorageFailed if it cannot be
    read.
    """
    is_gguf = path.suffix.lower() == gguf.SUFFIX
    header = gguf.gguf_header(path, name) if is_gguf else read_header(path, name)
    names = plain_names(header.tensors)
    tensors = {plain: header.tensors[key] for plain, key in names.items()}
    if other := unsupported_kind(tensors):
        raise ModelCorrupt(
            f"The file {name} is {other}; give a whole checkpoint of Stable Diffusion 1, 2 or "
            "SDXL, or the transformer of Stable Diffusion 3, FLUX.2 klein or Z-Image."
        )
    kind = _kind(tensors)
    components = components_of(kind, names)
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
        in_channels=0 if kind in TRANSFORMERS else tensors[FIRST_OF_UNET].shape[1],
        context_size=_context_size(tensors),
        licence=one_line(header.metadata.get("modelspec.license", "")) or None,
        labels=tuple(filter(None, (one_line(header.metadata.get(key, "")) for key in _LABELS))),
        scheduler_changes=_scheduler_changes(tensors, header.metadata),
    )


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
        return tensors[FIRST_OF_UNET].shape[0]
    for first in TRANSFORMERS[kind]:
        for whole in (UNET + first, first):
            if whole in tensors and tensors[whole].shape:
                return tensors[whole].shape[0]
    raise ModelCorrupt(f"The file {name} is damaged: it has no {TRANSFORMERS[kind][0]}.")


def _kind(tensors: Mapping[str, Tensor]) -> Kind:
    """SDXL by its UNet, the others by the text encoder or, without one, by the UNet too; without a
    UNet by the transformer."""
    if FIRST_OF_UNET not in tensors:
        family = family_of_transformer(tensors) or ""
        return Kind.FLUX_2_KLEIN if family == "FLUX.2" else Kind(family)
    if f"{UNET}label_emb.0.0.weight" in tensors or _context_size(tensors) == _XL_CONTEXT:
        return Kind.SDXL
    if kind := kind_of_text_encoder(tensors):
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
