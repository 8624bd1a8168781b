"""Write pipelines as single-file checkpoints, with the names of the authors' own code."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

from engine.starter.checkpoint import replaced, unet_tensors
from tests.tiny_model import WIDTH

Tensors = dict[str, torch.Tensor]
_VAE: Final = {
    "mid_block.resnets.0.": "mid.block_1.",
    "mid_block.attentions.0.": "mid.attn_1.",
    "mid_block.resnets.1.": "mid.block_2.",
    "conv_norm_out.": "norm_out.",
    "conv_shortcut.": "nin_shortcut.",
    "group_norm.": "norm.",
    "to_q.": "q.",
    "to_k.": "k.",
    "to_v.": "v.",
    "to_out.0.": "proj_out.",
}
_OPENCLIP: Final = {
    "embeddings.token_embedding.": "token_embedding.",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.": "ln_final.",
    "encoder.layers.": "transformer.resblocks.",
    "layer_norm1.": "ln_1.",
    "layer_norm2.": "ln_2.",
    "mlp.fc1.": "mlp.c_fc.",
    "mlp.fc2.": "mlp.c_proj.",
    "self_attn.": "attn.",
}
_KLEIN: Final = {
    "single_transformer_blocks.": "single_blocks.",
    "transformer_blocks.": "double_blocks.",
    "x_embedder.": "img_in.",
    "context_embedder.": "txt_in.",
    "time_guidance_embed.timestep_embedder.linear_1.": "time_in.in_layer.",
    "time_guidance_embed.timestep_embedder.linear_2.": "time_in.out_layer.",
    "double_stream_modulation_img.linear.": "double_stream_modulation_img.lin.",
    "double_stream_modulation_txt.linear.": "double_stream_modulation_txt.lin.",
    "single_stream_modulation.linear.": "single_stream_modulation.lin.",
    "proj_out.": "final_layer.linear.",
    "attn.to_qkv_mlp_proj.": "linear1.",
    "attn.norm_added_q.": "txt_attn.norm.query_norm.",
    "attn.norm_added_k.": "txt_attn.norm.key_norm.",
    "attn.to_out.0.": "img_attn.proj.",
    "attn.to_out.": "linear2.",
    "attn.to_add_out.": "txt_attn.proj.",
    "ff.linear_in.": "img_mlp.0.",
    "ff.linear_out.": "img_mlp.2.",
    "ff_context.linear_in.": "txt_mlp.0.",
    "ff_context.linear_out.": "txt_mlp.2.",
}
_SD3: Final = {
    "pos_embed.pos_embed": "pos_embed",
    "pos_embed.proj.": "x_embedder.proj.",
    "time_text_embed.timestep_embedder.linear_1.": "t_embedder.mlp.0.",
    "time_text_embed.timestep_embedder.linear_2.": "t_embedder.mlp.2.",
    "time_text_embed.text_embedder.linear_1.": "y_embedder.mlp.0.",
    "time_text_embed.text_embedder.linear_2.": "y_embedder.mlp.2.",
    "transformer_blocks.": "joint_blocks.",
    "attn.norm_added_q.": "context_block.attn.ln_q.",
    "attn.norm_added_k.": "context_block.attn.ln_k.",
    "attn.add_": "context_block.attn.add_",
    "attn.to_add_out.": "context_block.attn.proj.",
    "norm1.linear.": "x_block.adaLN_modulation.1.",
    "norm1_context.linear.": "context_block.adaLN_modulation.1.",
    "ff.net.0.proj.": "x_block.mlp.fc1.",
    "ff.net.2.": "x_block.mlp.fc2.",
    "ff_context.net.0.proj.": "context_block.mlp.fc1.",
    "ff_context.net.2.": "context_block.mlp.fc2.",
    "norm_out.linear.": "final_layer.adaLN_modulation.1.",
    "proj_out.": "final_layer.linear.",
    **{
        f"{attention}.{old}": f"x_block.{attention}.{new}"
        for attention in ("attn", "attn2")
        for old, new in {
            "norm_q.": "ln_q.",
            "norm_k.": "ln_k.",
            "to_out.0.": "proj.",
            "to_q.": "to_q.",
            "to_k.": "to_k.",
            "to_v.": "to_v.",
        }.items()
    },
}
_NORMS: Final = {"attn.norm_q.": "norm.query_norm.", "attn.norm_k.": "norm.key_norm."}
TRAINER_METADATA: Final = {
    "modelspec.sai_model_spec": "1.0.0",
    "modelspec.architecture": "stable-diffusion-v1",
    "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
    "modelspec.title": "x\u2028y",
    "modelspec.resolution": "512x512",
    "modelspec.encoder_layer": "2",
    "modelspec.hash_sha256": "0x00",
    "ss_tag_frequency": '{"1_x": {"a": 1}}',
    "ss_base_model_version": "sd_v1",
}
"""Metadata as trainers write them."""


def sd1_tensors(pipeline: StableDiffusionPipeline) -> Tensors:
    """All tensors of a checkpoint of Stable Diffusion 1."""
    return {
        **_base(pipeline),
        **prefixed("cond_stage_model.transformer.text_model.", _clip(pipeline.text_encoder)),
    }


def sd2_tensors(pipeline: StableDiffusionPipeline) -> Tensors:
    """All tensors of a checkpoint of Stable Diffusion 2."""
    return {
        **_base(pipeline),
        **prefixed("cond_stage_model.model.", openclip(_clip(pipeline.text_encoder))),
    }


def xl_tensors(pipeline: Any) -> Tensors:  # noqa: ANN401 - diffusers has no types
    """All tensors of a checkpoint of SDXL."""
    second = openclip(_clip(pipeline.text_encoder_2))
    projection = pipeline.text_encoder_2.text_projection.weight
    return {
        **_base(pipeline),
        **prefixed("conditioner.embedders.0.transformer.text_model.", _clip(pipeline.text_encoder)),
        **prefixed("conditioner.embedders.1.model.", second),
        "conditioner.embedders.1.model.text_projection": projection.T,
    }


def write(
    path: Path,
    tensors: Mapping[str, torch.Tensor],
    *,
    dtype: torch.dtype = torch.float32,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a safetensors file; floating-point tensors get this type."""
    converted = {
        name: (tensor.to(dtype) if tensor.is_floating_point() else tensor).detach().contiguous()
        for name, tensor in tensors.items()
    }
    save_file(converted, path, None if metadata is None else dict(metadata))
    return path


def without(tensors: Mapping[str, torch.Tensor], prefix: str) -> Tensors:
    """The tensors whose names do not begin so."""
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}


def as_merged(tensors: Tensors) -> Tensors:
    """With a UNet of bfloat16, a VAE of float32 and text encoders of float16, and with positions
    that a merge has made inexact."""
    positions = {
        name.replace("position_embedding.weight", "position_ids"): torch.arange(24)[None] - 0.01
        for name in tensors
        if name.endswith("transformer.text_model.embeddings.position_embedding.weight")
    }
    types = {"model.diffusion_model.": torch.bfloat16, "first_stage_model.": torch.float32}
    merged = {
        name: tensor.to(next((t for part, t in types.items() if name.startswith(part)), torch.half))
        for name, tensor in tensors.items()
    }
    return merged | positions


def nested(tensors: Tensors) -> Tensors:
    """As if the whole file of a trainer were written."""
    return {f"state_dict.{name}": tensor for name, tensor in tensors.items()} | {
        "global_step": torch.tensor(1)
    }


def forge_tensors(pipeline: Any, *encoders: str) -> Tensors:  # noqa: ANN401 - diffusers has no types
    """All tensors of a checkpoint of Forge; `encoders` are its names of the text encoders."""
    tensors = {**unet_tensors(pipeline.unet), **prefixed("vae.", vae(pipeline.vae))}
    for nth, name in enumerate(encoders, start=1):
        network = pipeline.components["text_encoder" if nth == 1 else f"text_encoder_{nth}"]
        prefix = f"text_encoders.{name}."
        members = {f"text_model.{key}": tensor for key, tensor in _clip(network).items()}
        width = network.config.hidden_size
        projection = network.state_dict().get("text_projection.weight", torch.eye(width))
        members["text_projection.weight"] = projection
        tensors |= prefixed(f"{prefix}transformer.", members)
        tensors[f"{prefix}logit_scale"] = torch.tensor(4.6)
    return tensors


def z_image_tensors(transformer: torch.nn.Module) -> Tensors:
    """The tensors of a Z-Image transformer by the names of the authors."""
    renamed = {
        replaced(
            name,
            {
                "all_final_layer.2-1.": "final_layer.",
                "all_x_embedder.2-1.": "x_embedder.",
                "attention.to_out.0.": "attention.out.",
                "attention.norm_q.": "attention.q_norm.",
                "attention.norm_k.": "attention.k_norm.",
            },
        ): tensor
        for name, tensor in transformer.state_dict().items()
    }
    return _joined(renamed, ".attention.to_{}.", ".attention.qkv.")


def klein_tensors(transformer: torch.nn.Module) -> Tensors:
    """The tensors of a FLUX.2 klein transformer by the names of the authors."""
    tensors: Tensors = {}
    for name, tensor in transformer.state_dict().items():
        if name == "norm_out.linear.weight":
            scale, shift = tensor.chunk(2)
            tensors["final_layer.adaLN_modulation.1.weight"] = torch.cat([shift, scale])
        else:
            norms = {
                old: new if name.startswith("single") else f"img_attn.{new}"
                for old, new in _NORMS.items()
            }
            tensors[replaced(name, _KLEIN | norms)] = tensor
    joined = _joined(tensors, ".attn.to_{}.", ".img_attn.qkv.")
    joined = _joined(joined, ".attn.add_{}_proj.", ".txt_attn.qkv.")
    return {
        re.sub(r"(query|key)_norm\.weight", r"\1_norm.scale", name): tensor
        for name, tensor in joined.items()
    }


def sd3_tensors(pipeline: Any, *, has_others: bool) -> Tensors:  # noqa: ANN401 - diffusers has no types
    """The tensors of a Stable Diffusion 3 by the names of the authors, with VAE and text encoders
    if `has_others`."""
    tensors: Tensors = {}
    last = f"transformer_blocks.{pipeline.transformer.config.num_layers - 1}.norm1_context."
    for name, tensor in pipeline.transformer.state_dict().items():
        if name.startswith((last, "norm_out.")):
            scale, shift = tensor.chunk(2)
            tensor = torch.cat([shift, scale])
        tensors[replaced(name, _SD3)] = tensor
    for attention in ("attn", "attn2"):
        block = f".x_block.{attention}."
        tensors = _joined(tensors, f"{block}to_{{}}.", f"{block}qkv.")
    tensors = _joined(tensors, ".context_block.attn.add_{}_proj.", ".context_block.attn.qkv.")
    tensors = prefixed("model.diffusion_model.", tensors)
    if not has_others:
        return tensors
    encoders = {"clip_l": pipeline.text_encoder, "clip_g": pipeline.text_encoder_2}
    encoders |= {} if pipeline.text_encoder_3 is None else {"t5xxl": pipeline.text_encoder_3}
    for name, network in encoders.items():
        members = without(network.state_dict(), "encoder.embed_tokens.")  # the shared ones of T5
        tensors |= prefixed(f"text_encoders.{name}.transformer.", members)
    return tensors | prefixed("first_stage_model.", vae(pipeline.vae))


def _joined(tensors: Tensors, pattern: str, whole: str) -> Tensors:
    """With one tensor for queries, keys and values, whose names have this part in place of the
    pattern with `q`, `k` and `v`."""
    first, *others = map(pattern.format, "qkv")
    result: Tensors = {}
    for name, tensor in tensors.items():
        if first in name:
            parts = [tensor, *(tensors[name.replace(first, other)] for other in others)]
            result[name.replace(first, whole)] = torch.cat(parts)
        elif not any(other in name for other in others):
            result[name] = tensor
    return result


def as_sgm(tensors: Tensors) -> Tensors:
    """With text encoders as Stability's later code names them."""
    return {
        re.sub(r"^cond_stage_model\.", "conditioner.embedders.0.", name): tensor
        for name, tensor in tensors.items()
    }


def as_comfy(tensors: Tensors) -> Tensors:
    """With the tensors that ComfyUI adds to text encoders, and averaged weights."""
    more: Tensors = {"model_ema.decay": torch.zeros(1), "alphas_cumprod": torch.ones(1000)}
    for part in ("cond_stage_model", "conditioner.embedders.0"):
        if any(name.startswith(f"{part}.transformer.") for name in tensors):
            more[f"{part}.logit_scale"] = torch.tensor(4.6)
            more[f"{part}.transformer.text_projection.weight"] = torch.eye(WIDTH)
            more[f"{part}.transformer.text_model.embeddings.position_ids"] = torch.arange(24)[None]
    return tensors | more


def _base(pipeline: StableDiffusionPipeline) -> Tensors:
    return {
        **unet_tensors(pipeline.unet),
        **prefixed("first_stage_model.", vae(pipeline.vae)),
    }


def vae(network: Any) -> Tensors:  # noqa: ANN401 - diffusers has no types
    """The tensors of a VAE, without a prefix; its attention layers are convolutions."""
    blocks = len(network.config.block_out_channels)
    tensors: Tensors = {}
    for name, tensor in network.state_dict().items():
        other = re.sub(r"down_blocks\.(\d+)\.resnets\.(\d+)", r"down.\1.block.\2", name)
        other = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", other)
        other = re.sub(
            r"up_blocks\.(\d+)\.(resnets\.|upsamplers\.0)",
            lambda match: (
                f"up.{blocks - 1 - int(match[1])}."
                + ("block." if match[2] == "resnets." else "upsample")
            ),
            other,
        )
        is_attention = "attentions" in name and tensor.ndim == 2
        tensors[replaced(other, _VAE)] = tensor[:, :, None, None] if is_attention else tensor
    return tensors


def openclip(tensors: Tensors) -> Tensors:
    """The tensors of a text encoder by the names of OpenCLIP."""
    renamed = {replaced(name, _OPENCLIP): tensor for name, tensor in tensors.items()}
    return dict(_joined_attention(renamed))


def _joined_attention(tensors: Tensors) -> Iterator[tuple[str, torch.Tensor]]:
    """OpenCLIP has one tensor for queries, keys and values."""
    for name, tensor in tensors.items():
        match = re.fullmatch(r"(.*attn\.)([qkv])_proj\.(weight|bias)", name)
        if match is None:
            yield name, tensor
        elif match[2] == "q":
            parts = [tensors[f"{match[1]}{part}_proj.{match[3]}"] for part in "qkv"]
            yield f"{match[1]}in_proj_{match[3]}", torch.cat(parts)


def _clip(network: Any) -> Tensors:  # noqa: ANN401 - transformers has no types
    """The tensors of a text encoder by the names of CLIP, without its projection."""
    return {
        name.removeprefix("text_model."): tensor
        for name, tensor in network.state_dict().items()
        if not name.startswith("text_projection")
    }


def prefixed(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors with this before their names."""
    return {prefix + name: tensor for name, tensor in tensors.items()}
