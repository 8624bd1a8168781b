"""Transformers in one file, as other programs write them: names of diffusers, prefixes, all
networks in one file, and names that are missing or unknown."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from diffusers import (
    DiffusionPipeline,
    Flux2KleinPipeline,
    StableDiffusion3Pipeline,
    ZImagePipeline,
)

from engine.device import select_device
from engine.errors import ModelCorrupt
from engine.models import registry
from engine.models.description import describe
from engine.weights.checkpoint_names import Kind
from engine.weights.checkpoints import read_checkpoint
from engine.weights.model_files import find_model_files
from tests import tiny_flow_models
from tests.checkpoint_writer import (
    Tensors,
    klein_tensors,
    nested,
    prefixed,
    sd3_tensors,
    vae,
    without,
    write,
    z_image_tensors,
)
from tests.engine_parts import job, load_engine_core, painted_images, recipe

CONFIG = "IMAGINE_MODEL_CONFIG"
UNET = "model.diffusion_model."
QWEN = "text_encoders.qwen3_4b.transformer."


class Source(NamedTuple):
    """A tiny model as a folder, and the tensors of its transformer by the authors' names."""

    folder: Path
    pipeline: DiffusionPipeline
    authors: Tensors
    digest: str
    """Of a picture that the folder paints."""

    @property
    def diffusers(self) -> Tensors:
        """The tensors of its transformer by the names of diffusers."""
        return dict(self.pipeline.transformer.state_dict())


KINDS: dict[str, tuple[Callable[[Path], Path], type[DiffusionPipeline]]] = {
    "sd3": (tiny_flow_models.save_sd3, StableDiffusion3Pipeline),
    "klein": (tiny_flow_models.save_klein, Flux2KleinPipeline),
    "z_image": (tiny_flow_models.save_z_image, ZImagePipeline),
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    """A model of each kind."""
    result = {}
    for kind, (save, pipeline_class) in KINDS.items():
        folder = save(tmp_path_factory.mktemp(kind) / kind)
        pipeline = pipeline_class.from_pretrained(folder)
        if kind == "sd3":
            authors = sd3_tensors(pipeline, has_others=False)
            authors = {name.removeprefix(UNET): tensor for name, tensor in authors.items()}
        else:
            convert = klein_tensors if kind == "klein" else z_image_tensors
            authors = convert(pipeline.transformer)
        result[kind] = Source(folder, pipeline, authors, painted(folder))
    return result


@pytest.fixture(params=KINDS)
def source(
    request: pytest.FixtureRequest, sources: dict[str, Source], monkeypatch: pytest.MonkeyPatch
) -> Source:
    """A model, whose folder is the configuration."""
    chosen = sources[request.param]
    monkeypatch.setenv(CONFIG, str(chosen.folder))
    return chosen


def painted(path: Path) -> str:
    """The digest of a picture that this model paints."""
    core = load_engine_core(str(path))
    digest = painted_images(job(recipe(core, guidance=1.0)), core)[0].sha256
    assert digest is not None
    return digest


def failure(path: Path) -> str:
    """The sentence about a checkpoint that cannot be loaded."""
    with pytest.raises(ModelCorrupt) as excinfo:
        registry.load(str(path), select_device())
    assert "\n" not in str(excinfo.value)
    return str(excinfo.value)


def language_model(network: torch.nn.Module) -> Tensors:
    """The tensors of a text encoder as ComfyUI saves them: without the head."""
    names = network.state_dict()
    first = "" if any(name.startswith("model.") for name in names) else "model."
    members = {first + name: tensor for name, tensor in names.items() if "lm_head" not in name}
    return prefixed(QWEN, members) | {"text_encoders.qwen3_4b.logit_scale": torch.tensor(4.6)}


def klein_vae(network: torch.nn.Module) -> Tensors:
    """The tensors of the VAE of FLUX.2 as its authors name them."""
    moved = {
        f"encoder.{name}"
        if name.startswith("quant_conv.")
        else f"decoder.{name}"
        if name.startswith("post_quant_conv.")
        else name: tensor
        for name, tensor in vae(network).items()
    }
    del moved["bn.num_batches_tracked"]
    return moved


@pytest.mark.parametrize("layout", ["authors", "diffusers"])
@pytest.mark.parametrize("prefix", ["", UNET, "diffusion_model.", "transformer."])
def test_a_transformer_alone_is_completed(
    source: Source, layout: str, prefix: str, tmp_path: Path
) -> None:
    """By the names of its authors or of diffusers, with any prefix."""
    path = write(tmp_path / "x.safetensors", prefixed(prefix, getattr(source, layout)))
    assert set(read_checkpoint(path, "x").components) == {"transformer"}
    assert painted(path) == source.digest


def test_the_file_in_a_diffusers_folder_is_a_checkpoint(source: Source) -> None:
    """As people download it alone."""
    path = source.folder / "transformer" / "diffusion_pytorch_model.safetensors"
    assert describe(find_model_files(str(path))).native_size
    assert painted(path) == source.digest


@pytest.mark.parametrize("layout", ["authors", "diffusers"])
@pytest.mark.parametrize("prefix", ["", UNET])
def test_a_file_of_a_trainer_is_read(
    source: Source, layout: str, prefix: str, tmp_path: Path
) -> None:
    """Its names begin with `state_dict.`, and it has counters and the optimiser's state too."""
    tensors = nested(prefixed(prefix, getattr(source, layout)))
    tensors["optimizer_states.0.exp_avg"] = torch.ones(3, 3)
    path = write(tmp_path / "x.safetensors", tensors)
    assert painted(path) == source.digest


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_types_are_converted(
    source: Source, dtype: torch.dtype, tmp_path: Path
) -> None:
    """The device chooses the type."""
    path = write(tmp_path / "x.safetensors", source.diffusers, dtype=dtype)
    model = registry.load(str(path), select_device())
    network = model.pipeline.transformer  # type: ignore[attr-defined] # of LatentDiffusion
    for name, weight in network.state_dict().items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, source.diffusers[name].to(dtype).float()), name


@pytest.mark.parametrize("kind", ["klein", "z_image"])
@pytest.mark.parametrize("is_original_vae", [False, True])
def test_a_file_of_comfyui_with_all_networks_is_complete(
    kind: str,
    is_original_vae: bool,
    sources: dict[str, Source],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its configuration needs no weights."""
    source = sources[kind]
    parts = source.pipeline.components
    autoencoder = parts["vae"].state_dict()
    if is_original_vae:
        autoencoder = (klein_vae if kind == "klein" else vae)(parts["vae"])
    path = write(
        tmp_path / "x.safetensors",
        prefixed(UNET, source.authors)
        | prefixed("vae.", autoencoder)
        | language_model(parts["text_encoder"]),
    )
    config = copy_of_configs(source.folder, tmp_path / "config")
    monkeypatch.setenv(CONFIG, str(config))
    files = find_model_files(str(path))
    assert files.checkpoint is not None
    assert set(files.checkpoint.components) == {"transformer", "vae", "text_encoder"}
    core = load_engine_core(str(path))
    for name in ("transformer", "vae", "text_encoder"):
        network = core.model.pipeline.components[name]  # type: ignore[attr-defined]
        for key, weight in network.state_dict().items():
            assert torch.equal(weight, parts[name].state_dict()[key]), f"{name} {key}"
    assert painted(path) == source.digest


def copy_of_configs(folder: Path, other: Path) -> Path:
    """A copy of a model without the weights of its networks."""
    for file in folder.rglob("*"):
        is_weights = file.suffix == ".safetensors" and "safety" not in str(file.parent)
        if file.is_file() and not is_weights:
            target = other / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    checker = "safety_checker/model.safetensors"
    (other / checker).write_bytes((folder / checker).read_bytes())
    return other


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


def test_single_numbers_beside_the_weights_do_not_matter(source: Source, tmp_path: Path) -> None:
    """Such as counters, and marks without data."""
    more = {"global_step": torch.tensor(7), "mark": torch.zeros(0)}
    path = write(tmp_path / "x.safetensors", source.authors | more)
    assert painted(path) == source.digest


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


def test_configs_are_compared_in_the_layout_of_diffusers_too(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder with another number of blocks does not fit."""
    config = copy_of_configs(source.folder, tmp_path / "config")
    file = config / "transformer" / "config.json"
    values = json.loads(file.read_text())
    key = "n_layers" if "n_layers" in values else "num_layers"
    file.write_text(json.dumps(values | {key: values[key] + 1}))
    monkeypatch.setenv(CONFIG, str(config))
    path = write(tmp_path / "x.safetensors", source.diffusers)
    assert f'The config of its transformer has "{key}": {values[key]}' in failure(path)


@pytest.mark.parametrize("prefix", ["model.model.", "module.", "net.", "model."])
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
