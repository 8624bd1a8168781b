"""Give the tensors of a checkpoint the names that they have in networks of diffusers."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import torch
from diffusers.loaders.single_file_utils import (
    convert_flux2_transformer_checkpoint_to_diffusers,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_sd3_transformer_checkpoint_to_diffusers,
    convert_z_image_transformer_checkpoint_to_diffusers,
)

from engine.device.errors import is_out_of_memory
from engine.models.weight_errors import listed, missing_weights, other_shape
from engine.weights.checkpoint_names import TRANSFORMERS, VAES, Kind

Tensors = dict[str, torch.Tensor]
_Conversion = Callable[..., Tensors]
_TRANSFORMERS: Final[Mapping[Kind, _Conversion]] = {
    Kind.SD3: convert_sd3_transformer_checkpoint_to_diffusers,
    Kind.FLUX_2_KLEIN: convert_flux2_transformer_checkpoint_to_diffusers,
    Kind.Z_IMAGE: convert_z_image_transformer_checkpoint_to_diffusers,
}
_VAE_PARTS: Final = {
    "encoder.quant_conv.": "quant_conv.",
    "decoder.post_quant_conv.": "post_quant_conv.",
}
"""Layers of the VAE of FLUX.2 that are elsewhere in diffusers."""
_STATISTICS: Final = "bn."
"""Before the names of the latents' statistics in that VAE."""
_UNREAD: Final = "bn.num_batches_tracked"
"""What a VAE may lack, because nothing reads it."""


def named_as_diffusers(
    kind: Kind, component: str, tensors: Mapping[str, torch.Tensor], config: Mapping[str, Any]
) -> Tensors:
    """The tensors of a component in a checkpoint of this kind by the names of diffusers; `config`
    is that of the network, with diffusers' defaults.

    Raises ValueError, with the names of tensors, if some are missing or unknown.
    """
    if component == "vae":
        return _vae(tensors, config)
    if component == "unet":
        return _converted(component, convert_ldm_unet_checkpoint, tensors, config)[0]
    _, first_of_diffusers = TRANSFORMERS[kind]
    if first_of_diffusers in tensors:
        return dict(tensors)
    converted, rest = _converted(component, _TRANSFORMERS[kind], tensors, config)
    return rest | converted


def fitted(component: str, tensors: Tensors, shapes: Mapping[str, torch.Size]) -> Tensors:
    """Those of these tensors that a component with weights of these shapes has.

    Raises ValueError, with the names of tensors, if some are missing or of another shape, or if a
    transformer does not have them all.
    """
    missing = [name for name in shapes if tensors.get(name) is None and name != _UNREAD]
    if missing:
        raise ValueError(missing_weights(component, missing))
    for name, shape in shapes.items():
        if name != _UNREAD and tensors[name].shape != shape:
            raise ValueError(other_shape(component, name, tensors[name].shape, shape))
    unknown = [name for name in tensors.keys() - shapes.keys() if tensors[name].numel() > 1]
    if unknown and component == "transformer":
        raise ValueError(_unknown_tensors(component, unknown))
    return {name: tensor for name, tensor in tensors.items() if name in shapes}


def _unknown_tensors(component: str, names: Collection[str]) -> str:
    return f"the file has tensors that the {component} of its config does not have: {listed(names)}"


def _converted(
    component: str,
    conversion: _Conversion,
    tensors: Mapping[str, torch.Tensor],
    config: Mapping[str, Any],
) -> tuple[Tensors, Tensors]:
    """The converted tensors, and those that the conversion left, which takes what it reads out of
    the mapping."""
    rest = dict(tensors)
    try:
        return conversion(checkpoint=rest, config=config), rest
    except KeyError as error:  # of a missing tensor, or of the part of a name that is unknown
        name = str(error.args[0])
        unknown = [tensor for tensor in tensors if f".{name}." in f".{tensor}"]
        if unknown:
            raise ValueError(_unknown_tensors(component, unknown)) from error
        raise ValueError(missing_weights(component, [name])) from error
    except (NameError, IndexError, ValueError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        single = [name for name, tensor in tensors.items() if tensor.dim() == 0]
        which = f", such as {listed(single)}" if single else ""
        raise ValueError(
            f"some tensors of the {component} have unknown names or shapes{which}"
        ) from error


def _vae(tensors: Mapping[str, torch.Tensor], config: Mapping[str, Any]) -> Tensors:
    plain: Tensors = {}
    for name, tensor in tensors.items():
        for prefix in VAES:
            name = name.removeprefix(prefix)
        for prefix, other in _VAE_PARTS.items():
            name = other + name.removeprefix(prefix) if name.startswith(prefix) else name
        plain[name] = tensor
    if any(".up_blocks." in name for name in plain):
        return plain
    statistics = {name: plain[name] for name in plain if name.startswith(_STATISTICS)}
    converted, _ = _converted("vae", convert_ldm_vae_checkpoint, plain, config)
    return converted | statistics
