"""Whether a control fits a model, by the configs of both: before its weights are loaded."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import diffusers
import torch

from engine.errors import ModelCorrupt, first_line
from engine.steering.control_kinds import UNION_TYPES
from engine.weights.controls import ControlFiles
from engine.weights.model_folder import LOAD_ERRORS

_PROBE_SIDE: Final = 256
"""Height and width in pixels of the image for which shapes are compared."""


def misfit(files: ControlFiles, unet: Mapping[str, Any], vae_scale_factor: int) -> str | None:
    """Why a control cannot be used with a UNet of this config, as the rest of a sentence after
    “it”; None if it can. Raises ModelCorrupt if its own config is damaged."""
    try:
        config = _with_defaults(files)
        if files.class_name == "T2IAdapter":
            return _adapter_misfit(config, unet, vae_scale_factor)
        return _unsupported(files, config) or _other_shape(config, unet, vae_scale_factor)
    except LOAD_ERRORS as error:
        raise ModelCorrupt(
            f"The control {files.name} has a damaged config: {first_line(error)}"
        ) from error


def _with_defaults(files: ControlFiles) -> dict[str, Any]:
    parameters = inspect.signature(getattr(diffusers, files.class_name)).parameters
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    return {**defaults, **files.config}


def _unsupported(files: ControlFiles, config: Mapping[str, Any]) -> str | None:
    """What a ControlNet needs that no model offers."""
    if config["global_pool_conditions"]:
        return "pools its conditions (global_pool_conditions), which is not supported"
    if config["class_embed_type"] is not None or config["num_class_embeds"] is not None:
        return "needs class labels, which is not supported"
    if config["encoder_hid_dim_type"] is not None:
        return "projects the text embeddings (encoder_hid_dim_type), which is not supported"
    if config["conditioning_channels"] != 3:
        return f"reads images of {config['conditioning_channels']} channels, which is not supported"
    if files.class_name != "ControlNetUnionModel":
        return None
    count = config["num_control_type"]
    kinds = [kind for kind, index in UNION_TYPES.items() if index < count]
    if files.kind not in kinds:
        return f"has no control type {files.kind}: choose one of {', '.join(kinds)}"
    return None


def _other_shape(
    config: Mapping[str, Any], unet: Mapping[str, Any], vae_scale_factor: int
) -> str | None:
    """What of a ControlNet differs from the model."""
    compared = [
        ("cross_attention_dim", unet["cross_attention_dim"]),
        ("block_out_channels", unet["block_out_channels"]),
        ("layers_per_block", unet["layers_per_block"]),
        ("in_channels", unet["out_channels"]),
    ]
    if config["addition_embed_type"] is not None:
        keys = "addition_embed_type", "addition_time_embed_dim"
        compared += [(key, unet[key]) for key in (*keys, "projection_class_embeddings_input_dim")]
    for key, expected in compared:
        if _comparable(config[key]) != _comparable(expected):
            return f"is for another family: its {key} is {config[key]}, not {expected}"
    factor = 2 ** (len(config["conditioning_embedding_out_channels"]) - 1)
    if factor != vae_scale_factor:
        return f"reduces images by a factor of {factor}, not {vae_scale_factor}"
    return None


def _comparable(value: object) -> object:
    return list(value) if isinstance(value, list | tuple) else value


def _adapter_misfit(
    config: Mapping[str, Any], unet: Mapping[str, Any], vae_scale_factor: int
) -> str | None:
    """What of a T2I-Adapter differs from the model: its features must have the shapes of the hidden
    states that they are added to."""
    if config["in_channels"] not in (1, 3):
        return f"reads images of {config['in_channels']} channels, which is not supported"
    with torch.device("meta"):
        network = diffusers.T2IAdapter.from_config(dict(config))
        image = torch.empty(1, config["in_channels"], _PROBE_SIDE, _PROBE_SIDE)
        shapes = [tuple(feature.shape[1:]) for feature in network(image)]
    expected = list(_hidden_shapes(unet, _PROBE_SIDE // vae_scale_factor))
    if len(shapes) > len(expected) or shapes != expected[: len(shapes)]:
        return (
            f"is for another family: its features have the shapes {_listed(shapes)}, not "
            f"{_listed(expected)}"
        )
    return None


def _hidden_shapes(unet: Mapping[str, Any], side: int) -> Iterator[tuple[int, int, int]]:
    """The shapes, without rows, of the hidden states of a UNet to which features are added: one for
    each down block, and that of the mid block."""
    last = len(unet["block_out_channels"]) - 1
    pairs = zip(unet["block_out_channels"], unet["down_block_types"], strict=True)
    for nth, (channels, block) in enumerate(pairs):
        reduced = side if nth == last else (side + 1) // 2
        has_attention = "CrossAttn" in block  # then they are added before the downsampler
        yield channels, *[side if has_attention else reduced] * 2
        side = reduced
    yield channels, side, side


def _listed(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join("x".join(map(str, shape)) for shape in shapes)
