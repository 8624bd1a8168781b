"""LoRAs with random weights for tiny models, as the programs of others write their files."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import DiffusionPipeline
from diffusers.training_utils import _collate_lora_metadata
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save_file

KOHYA_TARGETS: Final = ("Transformer2DModel", "ResnetBlock2D", "Downsample2D", "Upsample2D")
"""The classes whose layers kohya's scripts train, the last three with `conv_dim`."""
_KOHYA_TEXT_TARGETS: Final = ("CLIPAttention", "CLIPSdpaAttention", "CLIPMLP")
_RESNET: Final = {
    "conv1": "in_layers.2",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_METADATA: Final = {
    "ss_network_module": "networks.lora",
    "ss_network_dim": "4",
    "ss_network_alpha": "2.0",
    "ss_output_name": "some-style-v2",
    "ss_tag_frequency": json.dumps({"10_fox": {"fox": 20, "forest": 18, "night": 2}}),
    "modelspec.sai_model_spec": "1.0.0",
}
ATTENTION_TARGETS: Final = ["to_q", "to_k", "to_v", "to_out.0"]
UNET_TARGETS: Final = [*ATTENTION_TARGETS, "proj_in", "conv1", "conv_shortcut", "time_emb_proj"]
TEXT_TARGETS: Final = ["q_proj", "v_proj", "fc1"]


def save_kohya(
    path: Path,
    model: Path,
    *,
    seed: int = 1,
    rank: int = 4,
    alpha: float = 2.0,
    text: bool = True,
    mid: bool = False,
    metadata: Mapping[str, str] = _METADATA,
) -> Path:
    """Write a LoRA as kohya's sd-scripts do (networks/lora.py), for the model in this folder.

    SDXL's layers have the names of its first implementation. `mid` writes 3 x 3 convolutions as
    three tensors (LoCon).
    """
    pipeline = DiffusionPipeline.from_pretrained(model, safety_checker=None)
    generator = torch.Generator().manual_seed(seed)
    is_xl = hasattr(pipeline, "text_encoder_2")
    names = _sgm_name if is_xl else lambda path, _: path
    tensors: dict[str, torch.Tensor] = {}
    for name, layer in _layers(pipeline.unet, KOHYA_TARGETS):
        key = names(name, pipeline.unet.config.layers_per_block)
        _add(tensors, f"lora_unet_{key.replace('.', '_')}", layer, rank, alpha, generator, mid)
    encoders = {"lora_te_": "text_encoder"}
    if is_xl:
        encoders = {"lora_te1_": "text_encoder", "lora_te2_": "text_encoder_2"}
    for prefix, component in encoders.items() if text else ():
        for name, layer in _layers(getattr(pipeline, component), _KOHYA_TEXT_TARGETS):
            key = f"{prefix}text_model_{name.removeprefix('text_model.').replace('.', '_')}"
            _add(tensors, key, layer, rank, alpha, generator)
    base = {"ss_base_model_version": "sdxl_base_v1-0" if is_xl else "sd_v1"}
    save_file(tensors, path, {**base, **metadata})
    return path


def save_peft(path: Path, model: Path) -> Path:
    """Write a LoRA with the names and the metadata of peft, for the model in this folder."""
    return _save_diffusers(path, model, UNET_TARGETS, old_names=False, seed=2, alpha=3)


def save_diffusers(path: Path, model: Path) -> Path:
    """Write a LoRA as diffusers' training scripts do, for the model in this folder: of attention
    layers, with older names, and without metadata."""
    return _save_diffusers(path, model, ATTENTION_TARGETS, old_names=True, seed=5, alpha=4)


def _save_diffusers(
    path: Path, model: Path, targets: list[str], *, old_names: bool, seed: int, alpha: int
) -> Path:
    pipeline = DiffusionPipeline.from_pretrained(model, safety_checker=None)
    torch.manual_seed(seed)
    encoders = [name for name in ("text_encoder", "text_encoder_2") if hasattr(pipeline, name)]
    components = {name: getattr(pipeline, name) for name in ("unet", *encoders)}
    options: dict[str, Any] = {}
    for name, component in components.items():
        modules = targets if name == "unet" else TEXT_TARGETS
        component.add_adapter(
            LoraConfig(r=4, lora_alpha=alpha, target_modules=modules, init_lora_weights=False)
        )
        state = get_peft_model_state_dict(component)
        options[f"{name}_lora_layers"] = (
            convert_state_dict_to_diffusers(state) if old_names else state
        )
    if not old_names:
        options |= _collate_lora_metadata(components)
    pipeline.save_lora_weights(path.parent, weight_name=path.name, **options)
    return path


def _layers(
    network: torch.nn.Module, classes: tuple[str, ...]
) -> Iterator[tuple[str, torch.nn.Module]]:
    for name, module in network.named_modules():
        if type(module).__name__ in classes:
            for child, layer in module.named_modules():
                if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
                    yield f"{name}.{child}", layer


def _add(
    tensors: dict[str, torch.Tensor],
    name: str,
    layer: Any,  # noqa: ANN401 - a linear layer or a convolution
    rank: int,
    alpha: float,
    generator: torch.Generator,
    mid: bool = False,
) -> None:
    outputs, inputs, *kernel = layer.weight.shape
    ones = [1] * len(kernel)
    if mid and kernel == [3, 3]:
        shapes = {"down": [rank, inputs, 1, 1], "mid": [rank, rank, 3, 3]}
    else:
        shapes = {"down": [rank, inputs, *kernel]}
    shapes["up"] = [outputs, rank, *ones]
    for role, shape in shapes.items():
        values = torch.randn(shape, generator=generator) / torch.tensor(shape[1:]).prod() ** 0.5
        tensors[f"{name}.lora_{role}.weight"] = values.half()
    tensors[f"{name}.alpha"] = torch.tensor(alpha, dtype=torch.float16)


def _sgm_name(path: str, layers: int) -> str:
    """The name of a layer of SDXL's UNet in its first implementation."""
    match = re.fullmatch(r"(down|mid|up)_block(?:s\.(\d+))?\.(\w+)\.(\d+)\.(.+)", path)
    assert match is not None, path
    side, block, kind, nth, rest = match[1], int(match[2] or 0), match[3], int(match[4]), match[5]
    if kind == "resnets":
        rest = _RESNET[rest]
    if side == "mid":
        return f"middle_block.{2 * nth if kind == 'resnets' else 1}.{rest}"
    if kind == "downsamplers":
        return f"input_blocks.{(block + 1) * (layers + 1)}.0.op"
    if kind == "upsamplers":
        return f"output_blocks.{block * (layers + 1) + layers}.2.conv"
    inner = 0 if kind == "resnets" else 1
    if side == "down":
        return f"input_blocks.{1 + block * (layers + 1) + nth}.{inner}.{rest}"
    return f"output_blocks.{block * (layers + 1) + nth}.{inner}.{rest}"
