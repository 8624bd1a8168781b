"""Names of tensors in files of transformers: those that are missing, unknown or of other models."""

from pathlib import Path

import pytest
import torch

from engine.errors import ModelCorrupt
from engine.weights.checkpoint_names import Kind
from engine.weights.checkpoints import read_checkpoint
from tests import single_files
from tests.checkpoint_writer import (
    prefixed,
    sd3_tensors,
    without,
    write,
)
from tests.single_files import (
    CONFIG,
    QWEN,
    UNET,
    Source,
    failure,
    language_model,
)

# pytest finds the fixtures of a test by the names in its module
sources, source = single_files.sources, single_files.source


def test_a_language_model_with_a_missing_layer_is_refused(
    sources: dict[str, Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the name of a weight."""
    source = sources["z_image"]
    text = without(language_model(source.pipeline.text_encoder), f"{QWEN}model.layers.1.")
    path = write(tmp_path / "x.safetensors", prefixed(UNET, source.authors) | text)
    monkeypatch.setenv(CONFIG, str(source.folder))
    expected = "some weights of the text_encoder are missing: layers.1.input_layernorm.weight, "
    assert expected in failure(path)


@pytest.mark.parametrize(
    ("kind", "layout", "name", "named"),
    [
        ("sd3", "authors", "y_embedder.mlp.0.weight", "y_embedder.mlp.0.weight"),
        ("sd3", "authors", "joint_blocks.1.x_block.attn.qkv.bias", "joint_blocks.1.x_block.attn.q"),
        ("sd3", "diffusers", "proj_out.weight", "proj_out.weight"),
        ("klein", "authors", "final_layer.linear.weight", "proj_out.weight"),
        ("klein", "authors", "double_blocks.0.txt_attn.qkv.weight", "attn.add_k_proj.weight, "),
        ("klein", "diffusers", "proj_out.weight", "proj_out.weight"),
        ("z_image", "authors", "layers.1.attention.out.weight", "layers.1.attention.to_out.0.weig"),
        ("z_image", "diffusers", "cap_embedder.0.weight", "cap_embedder.0.weight"),
    ],
)
def test_a_missing_weight_is_named(
    kind: str,
    layout: str,
    name: str,
    named: str,
    sources: dict[str, Source],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the authors' name if that is known, else by that of diffusers."""
    tensors = dict(getattr(sources[kind], layout))
    del tensors[name]
    monkeypatch.setenv(CONFIG, str(sources[kind].folder))
    path = write(tmp_path / "x.safetensors", tensors)
    sentence = failure(path)
    assert "some weights of the transformer are missing: " in sentence
    assert named in sentence


@pytest.mark.parametrize("layout", ["authors", "diffusers"])
@pytest.mark.parametrize("name", ["own_layer.weight", "noise_refiner.0.own.weight"])
def test_unknown_tensors_are_named(source: Source, layout: str, name: str, tmp_path: Path) -> None:
    """They are of another model, which would be painted wrongly without them."""
    tensors = getattr(source, layout) | {name: torch.ones(2, 2)}
    sentence = failure(write(tmp_path / "x.safetensors", tensors))
    assert f"tensors that the transformer of its config does not have: {name}" in sentence


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("double_blocks.0.img_attn.own.weight", "of its config does not have: double_blocks.0.img"),
        ("double_blocks.0.own.weight", "of its config does not have: double_blocks.0.own.weight"),
        ("single_blocks.0.own.weight", "of its config does not have: single_blocks.0.own.weight"),
        (
            "final_layer.adaLN_modulation.2.weight",
            "not have: final_layer.adaLN_modulation.2.weight",
        ),
        (
            "double_blocks.0.own_attn.qkv.weight",
            "some tensors of the transformer have unknown names",
        ),
    ],
)
def test_unknown_names_that_cannot_be_converted_are_named(
    name: str,
    words: str,
    sources: dict[str, Source],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The conversion of diffusers fails in several ways."""
    tensors = sources["klein"].authors | {name: torch.ones(2, 2)}
    monkeypatch.setenv(CONFIG, str(sources["klein"].folder))
    assert words in failure(write(tmp_path / "x.safetensors", tensors))


def test_many_unknown_tensors_are_counted(source: Source, tmp_path: Path) -> None:
    """The first three are named, in one line."""
    others = {f"own\n.{number}.weight": torch.ones(2, 2) for number in range(5)}
    path = write(tmp_path / "x.safetensors", source.diffusers | others)
    listed = "own .0.weight, own .1.weight, own .2.weight and 2 more"
    assert listed in failure(path)


@pytest.mark.parametrize(
    ("kind", "name", "component"),
    [
        ("sd3", "text_encoders.clip_g.transformer.text_model.encoder.layers.0.mlp.fc1.bias", "_2"),
        ("sd3", "text_encoders.t5xxl.transformer.encoder.final_layer_norm.weight", "_3"),
        ("klein", f"{QWEN}model.layers.0.mlp.down_proj.weight", ""),
        ("z_image", f"{QWEN}model.norm.weight", ""),
    ],
)
def test_a_weight_of_a_text_encoder_of_another_shape_is_named(
    kind: str,
    name: str,
    component: str,
    sources: dict[str, Source],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With both shapes."""
    pipeline, folder = sources[kind].pipeline, sources[kind].folder
    tensors = (
        sd3_tensors(pipeline, has_others=True)
        if kind == "sd3"
        else prefixed(UNET, sources[kind].authors) | language_model(pipeline.text_encoder)
    )
    shape = [*tensors[name].shape]
    path = write(tmp_path / "x.safetensors", tensors | {name: torch.ones(5)})
    monkeypatch.setenv(CONFIG, str(folder))
    sentence = failure(path)
    assert name.split("transformer.")[1].removeprefix("model.").removeprefix("text_") in sentence
    assert f"of the text_encoder{component} has the shape [5]; by its config" in sentence
    assert f"it must be {shape}" in sentence


@pytest.mark.parametrize("layout", ["authors", "diffusers"])
def test_a_weight_of_another_shape_is_named(source: Source, layout: str, tmp_path: Path) -> None:
    """With the shape that the config of the folder needs."""
    tensors = getattr(source, layout)
    name = next(name for name in reversed(tensors) if tensors[name].dim() == 2)
    path = write(tmp_path / "x.safetensors", tensors | {name: torch.ones(2, 2)})
    sentence = failure(path)
    assert "of the transformer has the shape [" in sentence
    assert "]; by its config, it must be [" in sentence


@pytest.mark.parametrize("damaged", [torch.tensor(1.0), torch.ones(3), torch.zeros(0, 4)])
def test_a_tensor_that_cannot_be_split_is_named(
    source: Source, damaged: torch.Tensor, tmp_path: Path
) -> None:
    """Queries, keys and values are one tensor in the authors' code."""
    name = next(name for name in source.authors if name.endswith("qkv.weight"))
    path = write(tmp_path / "x.safetensors", source.authors | {name: damaged})
    assert "of the transformer" in failure(path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pos_embed.pos_embed", Kind.SD3),
        ("single_stream_modulation.linear.weight", Kind.FLUX_2_KLEIN),
        ("layers.0.adaLN_modulation.0.weight", Kind.Z_IMAGE),
    ],
)
def test_names_of_diffusers_tell_the_kind(
    name: str, kind: Kind, sources: dict[str, Source], tmp_path: Path
) -> None:
    """The kind decides which first tensor is needed."""
    tensors = next(s.diffusers for s in sources.values() if name in s.diffusers)
    path = write(tmp_path / "x.safetensors", tensors)
    assert read_checkpoint(path, "x").kind is kind


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["time_text_embed.text_embedder.x", "single_transformer_blocks.0.x"], "the family FLUX,"),
        (["pos_embed.pos_embed", "joint_transformer_blocks.0.x"], "of the family AuraFlow,"),
        (["pos_embed.proj.weight", "caption_projection.x"], "of the family PixArt or Sana,"),
        (
            ["single_stream_modulation.linear.x", "time_guidance_embed.guidance_embedder.x"],
            "of the family FLUX.2 that is not klein",
        ),
        (["pos_embed.pos_embed", "controlnet_blocks.0.weight"], "a ControlNet"),
        (["transformer.transformer_blocks.0.attn.to_q.lora_A.weight"], "a LoRA"),
        (["transformer.resblocks.0.attn.in_proj_weight"], "a text encoder alone"),
    ],
)
def test_other_models_with_names_of_diffusers_are_refused(
    names: list[str], words: str, tmp_path: Path
) -> None:
    """By their family."""
    path = write(tmp_path / "x.safetensors", {name: torch.ones(2, 2) for name in names})
    with pytest.raises(ModelCorrupt, match=words):
        read_checkpoint(path, "x")


@pytest.mark.parametrize(
    "prefix", ["diffusion_model.", "transformer.", "model.model.", "module.", "net.", "model."]
)
def test_other_prefixes_are_understood(
    prefix: str, sources: dict[str, Source], tmp_path: Path
) -> None:
    """As ComfyUI and trainers on several GPUs write them."""
    for source in sources.values():
        for tensors in (source.authors, source.diffusers):
            path = write(tmp_path / "x.safetensors", prefixed(prefix, tensors))
            assert set(read_checkpoint(path, "x").components["transformer"]) == set(tensors)


def test_tensors_of_text_encoders_are_not_those_of_a_transformer(
    sources: dict[str, Source], tmp_path: Path
) -> None:
    """Also if the transformer has no prefix."""
    others = {"text_encoders.clip_l.own": torch.ones(2, 2), "cond_stage_model.x": torch.ones(2, 2)}
    path = write(tmp_path / "x.safetensors", sources["sd3"].authors | others)
    names = read_checkpoint(path, "x").components["transformer"]
    assert set(names) == set(sources["sd3"].authors)


def test_one_of_several_parts_is_refused(sources: dict[str, Source], tmp_path: Path) -> None:
    """By its name, as transformers are published."""
    path = tmp_path / "diffusion_pytorch_model-00001-of-00003.safetensors"
    write(path, sources["z_image"].diffusers)
    assert "is one of 3 parts of a network: give the diffusers folder" in failure(path)
    whole = tmp_path / "diffusion_pytorch_model-00001-of-00001.safetensors"
    path.rename(whole)
    assert "name the diffusers folder of such a model" in failure(whole)


def test_a_language_model_alone_is_no_checkpoint(
    sources: dict[str, Source], tmp_path: Path
) -> None:
    """Whatever it is the text encoder of."""
    for kind in ("klein", "z_image"):
        tensors = language_model(sources[kind].pipeline.text_encoder)
        alone = {name.removeprefix(QWEN): tensor for name, tensor in tensors.items()}
        path = write(tmp_path / "x.safetensors", alone)
        with pytest.raises(ModelCorrupt, match="is a text encoder alone"):
            read_checkpoint(path, "x")


def test_one_name_with_another_prefix_changes_no_others(
    sources: dict[str, Source], tmp_path: Path
) -> None:
    """The transformer is what has the usual prefix."""
    for source in sources.values():
        tensors = prefixed(UNET, source.authors)
        name = next(iter(tensors))
        path = write(tmp_path / "x.safetensors", tensors | {f"model.{name}": torch.ones(2, 2)})
        assert set(read_checkpoint(path, "x").components["transformer"]) == set(source.authors)


def test_the_first_of_two_language_models_is_the_text_encoder(
    sources: dict[str, Source], tmp_path: Path
) -> None:
    """Their tensors are not mixed."""
    tensors = prefixed(UNET, sources["z_image"].authors)
    names = ("text_encoders.a.transformer.", "text_encoders.b.transformer.")
    more = {f"{name}model.norm.weight": torch.ones(2) for name in names}
    path = write(tmp_path / "x.safetensors", tensors | more)
    components = read_checkpoint(path, "x").components
    assert components["text_encoder"] == {"model.norm.weight": f"{names[0]}model.norm.weight"}
