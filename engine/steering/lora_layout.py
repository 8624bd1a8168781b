"""The layers of a model that a LoRA is for, by the names of its tensors.

Names of the formats of kohya's sd-scripts and of diffusers are understood, the latter as its
versions have written them; converters of diffusers translate them.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import torch
from diffusers.loaders.lora_conversion_utils import (
    _convert_unet_lora_key,
    _maybe_map_sgm_blocks_to_diffusers,
)
from diffusers.utils.state_dict_utils import (
    convert_state_dict_to_diffusers,
    convert_state_dict_to_peft,
    convert_unet_state_dict_to_peft,
)

from engine.steering.weight_changes import DORA, LOHA, LOKR, MAGNITUDE, weight_change
from engine.weights.header import Header
from engine.weights.loras import LoraFile

UNET: Final = "unet"
_KOHYA: Final = re.compile(r"(lora_(?:unet|te[12]?)_)([^.]+)\.(.+)")
_KOHYA_COMPONENTS: Final = {
    "lora_unet_": UNET,
    "lora_te_": "text_encoder",
    "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2",
}
_KOHYA_ROLES: Final = {
    "lora_down.weight": "down",
    "lora_up.weight": "up",
    "lora_mid.weight": "mid",
    "alpha": "alpha",
    **{name: name for name in (*LOHA, *LOKR, DORA)},
}
_PEFT: Final = re.compile(r"(.+)\.lora_(A|B|magnitude_vector)(?:\.\w+?)??(?:\.(weight|bias))?")
_PEFT_ROLES: Final = {
    "Aweight": "down",
    "Bweight": "up",
    "Bbias": "bias",
    "magnitude_vector": MAGNITUDE,
    "magnitude_vectorweight": MAGNITUDE,
}
_SGM: Final = ("input_blocks", "middle_block", "output_blocks")
"""Parts of the names of SDXL's layers in its first implementation."""
_CONFIG: Final = "lora_adapter_metadata"
"""The key of diffusers' metadata with the options of `peft.LoraConfig` as JSON."""
_LAYERS: Final = (torch.nn.Linear, torch.nn.Conv2d)


class Unsuitable(ValueError):
    """A LoRA is not for a model; the message is a part of a sentence."""


class LayerTensors(NamedTuple):
    """The tensors of a LoRA for one layer of a model."""

    component: str
    """Of the pipeline, such as `unet`."""
    path: str
    """Of the layer in the component."""
    tensors: Mapping[str, str]
    """The names of its tensors, by `down`, `up`, `mid`, `bias`, `alpha`, and the names of
    `weight_changes`."""
    scale: float | None
    """By which the product is multiplied if there is no `alpha`; None for 1."""


class Network(NamedTuple):
    """A component of a pipeline whose layers can have adapters."""

    module: torch.nn.Module
    layers: Mapping[str, torch.nn.Module]
    """Its linear layers and convolutions, by their paths."""

    @classmethod
    def of(cls, module: torch.nn.Module) -> "Network":
        """The network of a component."""
        layers = {
            name: layer for name, layer in module.named_modules() if isinstance(layer, _LAYERS)
        }
        return cls(module, layers)


def layout_of(
    file: LoraFile, header: Header, networks: Mapping[str, Network]
) -> list[LayerTensors]:
    """The layers of these components that a LoRA is for.

    Raises Unsuitable unless all of its tensors fit.
    """
    names = _named_layers(header, networks)
    parts: dict[tuple[str, str], dict[str, str]] = {}
    unknown = []
    for key, (component, path, role) in names.items():
        place = _place(component, path, networks)
        if place is None:
            unknown.append(key)
        else:
            parts.setdefault(place, {})[role] = key
    if unknown:
        raise Unsuitable(_other_model(file, unknown))
    for (component, path), tensors in parts.items():
        _check_shapes(file, header, networks[component].layers[path], tensors)
    scales = _scales(header, parts)
    layers = []
    for (component, path), tensors in sorted(parts.items()):
        layers.append(LayerTensors(component, path, tensors, scales.get((component, path))))
    return layers


def _named_layers(
    header: Header, networks: Mapping[str, Network]
) -> dict[str, tuple[str, str, str]]:
    """For each tensor: component, name of the layer, and role."""
    if all(key.startswith("lora_") for key in header.tensors):
        return _kohya_layers(header.tensors, networks)
    return _diffusers_layers(header.tensors)


def _kohya_layers(
    keys: Iterable[str], networks: Mapping[str, Network]
) -> dict[str, tuple[str, str, str]]:
    by_name = {
        component: {path.replace(".", "_"): path for path in network.layers}
        for component, network in networks.items()
    }
    sgm_names = _sgm_names(keys, networks)
    layers = {}
    for key in keys:
        match = _KOHYA.fullmatch(key)
        if match is None:
            raise Unsuitable(f"it is for another family of models (it has {key[:100]})")
        if match[3] not in _KOHYA_ROLES:
            raise Unsuitable(f"it has weights of an unknown kind ({key[:100]})")
        component, name = _KOHYA_COMPONENTS[match[1]], match[2]
        paths = by_name.get(component, {})
        path = paths.get(name) or paths.get(name.removeprefix("text_model_")) or ""
        layers[key] = component, path or sgm_names.get(name, name), _KOHYA_ROLES[match[3]]
    return layers


def _sgm_names(keys: Iterable[str], networks: Mapping[str, Network]) -> dict[str, str]:
    """The paths of layers that are named as in SDXL's first implementation."""
    prefix = "lora_unet_"
    names = {key.partition(".")[0] for key in keys if key.startswith(prefix)}
    if not any(part in name for name in names for part in (*_SGM, "time_embed_", "label_emb_")):
        return {}
    config: Any = networks[UNET].module.config
    paths = {}
    for name in names:
        down = f"{name}.lora_down.weight"
        mapped, _ = _converted(
            lambda state: _maybe_map_sgm_blocks_to_diffusers(state, config), {down: name}
        ).popitem()
        [path] = _converted(convert_unet_state_dict_to_peft, {_convert_unet_lora_key(mapped): name})
        paths[name.removeprefix(prefix)] = path.removesuffix(".lora_A.weight")
    return paths


def _diffusers_layers(keys: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    layers = {}
    for prefix in ("unet", "text_encoder", "text_encoder_2"):
        state = {
            key.removeprefix(f"{prefix}."): key for key in keys if key.startswith(f"{prefix}.")
        }
        alphas = {name: state.pop(name) for name in list(state) if name.endswith(".alpha")}
        if not all(_PEFT.fullmatch(name) for name in state):
            state = _converted(_unet_converter if prefix == UNET else _text_converter, state)
        for name, key in state.items():
            match = _PEFT.fullmatch(name)
            role = None if match is None else _PEFT_ROLES.get(match[2] + (match[3] or ""))
            if match is None or role is None:
                raise Unsuitable(f"it has weights of an unknown kind ({key[:100]})")
            layers[key] = prefix, match[1], role
        for name, key in alphas.items():
            layers[key] = prefix, name.removesuffix(".alpha"), "alpha"
    if unknown := next((key for key in keys if key not in layers), None):
        raise Unsuitable(f"it is for another family of models (it has {unknown[:100]})")
    return layers


def _unet_converter(state: dict[str, str]) -> dict[str, str]:
    converted: dict[str, str] = convert_unet_state_dict_to_peft(state)
    return converted


def _text_converter(state: dict[str, str]) -> dict[str, str]:
    converted: dict[str, str] = convert_state_dict_to_peft(convert_state_dict_to_diffusers(state))
    return converted


def _converted(
    converter: Callable[[dict[str, str]], dict[str, str]], state: dict[str, str]
) -> dict[str, str]:
    """Names that diffusers' converters do not know make them fail in many ways."""
    try:
        return converter(state)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Unsuitable(
            f"its layers have unknown names ({next(iter(state), '')[:100]})"
        ) from error


def _place(component: str, path: str, networks: Mapping[str, Network]) -> tuple[str, str] | None:
    """Component and path of a layer, None if there is none; versions of transformers have layers
    within `text_model`."""
    network = networks.get(component)
    for name in (path, path.removeprefix("text_model."), f"text_model.{path}"):
        if network is not None and name in network.layers:
            return component, name
    return None


def _other_model(file: LoraFile, unknown: Sequence[str]) -> str:
    layers = {key.partition(".")[0] if key.startswith("lora_") else key for key in unknown}
    return (
        f"it is for another family of models{_base(file)}, with layers that this one does not have "
        f"({len(layers)}, such as {unknown[0][:100]})"
    )


def _base(file: LoraFile) -> str:
    return f" ({file.base_model})" if file.base_model else ""


def _check_shapes(
    file: LoraFile, header: Header, layer: torch.nn.Module, names: Mapping[str, str]
) -> None:
    shapes = {role: header.tensors[key].shape for role, key in names.items()}
    products = {"down", "up"} & set(names), {*LOHA, *LOKR} & set(names)
    if products[1]:
        _check_change(file, layer, names, shapes)
    elif len(products[0]) < 2:
        raise Unsuitable(f"it is incomplete: {next(iter(names.values()))[:100]} stands alone")
    rank = shapes["down"][0] if shapes.get("down") else int(bool(products[1]))
    allowed = _allowed_shapes(layer, rank, has_mid="mid" in shapes)
    if rank < 1:
        raise Unsuitable(_other_shape(file, names["down"], shapes["down"]))
    for role, shape in shapes.items():
        if role not in (*LOHA, *LOKR) and shape not in allowed[role]:
            raise Unsuitable(_other_shape(file, names[role], shape))


def _check_change(
    file: LoraFile,
    layer: Any,  # noqa: ANN401 - a linear layer or a convolution
    names: Mapping[str, str],
    shapes: Mapping[str, tuple[int, ...]],
) -> None:
    """Raise Unsuitable unless the tensors of a LoHa or LoKr make a change of the layer's weight."""
    parts = {role: shape for role, shape in shapes.items() if role in (*LOHA, *LOKR)}
    kinds = [kind for kind in (LOHA, LOKR, ("down", "up", "mid", "bias")) if set(kind) & set(names)]
    weight = layer.weight
    try:
        change = weight_change(
            {role: torch.empty(shape, device="meta") for role, shape in parts.items()}
        )
    except KeyError as error:
        role = next(iter(parts))
        raise Unsuitable(f"it is incomplete: {names[role][:100]} stands alone") from error
    except (RuntimeError, IndexError):
        change = None
    fits = change is not None and change.dim() in (2, 4) and len(change) == len(weight)
    if len(kinds) > 1 or not fits or change is None or change.numel() != weight.numel():
        role, shape = next(iter(parts.items()))
        raise Unsuitable(_other_shape(file, names[role], shape))


def _other_shape(file: LoraFile, name: str, shape: tuple[int, ...]) -> str:
    return (
        f"it is for another model{_base(file)}: {name[:100]} has the shape {[*shape]}, which does "
        "not fit"
    )


def _allowed_shapes(
    layer: torch.nn.Module, rank: int, *, has_mid: bool
) -> Mapping[str, Sequence[tuple[int, ...]]]:
    """Of each tensor of a LoRA for a layer; 1 x 1 convolutions may be matrices, and the other way
    round."""
    if isinstance(layer, torch.nn.Conv2d):
        kernel, outputs, inputs = layer.kernel_size, layer.out_channels, layer.in_channels
    else:
        weight: Any = layer.weight
        kernel, (outputs, inputs) = (1, 1), weight.shape
    ones = (1, 1) if isinstance(layer, torch.nn.Conv2d) else ()
    down_kernel = (1, 1) if has_mid else kernel
    down = [(rank, inputs, *down_kernel), *([(rank, inputs)] if down_kernel == (1, 1) else [])]
    return {
        "down": down,
        "mid": [(rank, rank, *kernel)] if isinstance(layer, torch.nn.Conv2d) else [],
        "up": [(outputs, rank, 1, 1), (outputs, rank)],
        "bias": [(outputs,)],
        "alpha": [(), (1,)],
        DORA: [(outputs, 1, *ones), (1, inputs, *ones), (outputs,)],
        MAGNITUDE: [(outputs,), (1, outputs, *ones)],
    }


class _LoraConfig(msgspec.Struct):
    """The options of `peft.LoraConfig` that say by what a product is multiplied."""

    lora_alpha: float | None = None
    alpha_pattern: dict[str, float] = {}
    use_rslora: bool = False

    def scale(self, path: str, rank: int) -> float | None:
        """Of the layer of this path; None if it is not said."""
        alpha = next(
            (
                alpha
                for pattern, alpha in self.alpha_pattern.items()
                if f".{path}".endswith(f".{pattern.removeprefix('^')}")
            ),
            self.lora_alpha,
        )
        if alpha is None:
            return None
        return alpha / (math.sqrt(rank) if self.use_rslora else rank)


def _scales(
    header: Header, parts: Mapping[tuple[str, str], Mapping[str, str]]
) -> dict[tuple[str, str], float]:
    """What diffusers' metadata says. Raises Unsuitable if it is damaged."""
    try:
        options = msgspec.json.decode(header.metadata.get(_CONFIG, "{}"), type=dict[str, Any])
        scales = {}
        for component in {component for component, _ in parts}:
            prefix = f"{component}."
            own = {
                key.removeprefix(prefix): value
                for key, value in options.items()
                if key.startswith(prefix)
            }
            config = msgspec.convert(own, _LoraConfig)
            for place, tensors in parts.items():
                if place[0] == component and "down" in tensors:
                    rank = header.tensors[tensors["down"]].shape[0]
                    scale = config.scale(place[1], rank)
                    if scale is not None:
                        scales[place] = scale
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unsuitable(f"its {_CONFIG} is damaged") from error
    return scales
