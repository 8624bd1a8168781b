"""Checkpoints with a transformer, and those of Forge, paint what their diffusers folders paint."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import (
    DiffusionPipeline,
    Flux2KleinPipeline,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    ZImagePipeline,
)
from safetensors.torch import save_file

from engine.device import select_device
from engine.errors import ModelCorrupt
from engine.models import registry
from engine.models.description import describe
from engine.weights.checkpoints import read_checkpoint
from engine.weights.model_files import find_model_files
from engine.weights.sizes import loaded_bytes
from tests import tiny_flow_models, tiny_model
from tests.checkpoint_writer import (
    Tensors,
    forge_tensors,
    klein_tensors,
    sd3_tensors,
    write,
    z_image_tensors,
)
from tests.engine_parts import job, load_engine_core, painted_images, recipe

CONFIG = "IMAGINE_MODEL_CONFIG"


def klein(folder: Path) -> Tensors:
    """Save a FLUX.2 klein; the tensors of its transformer."""
    tiny_flow_models.save_klein(folder)
    return klein_tensors(Flux2KleinPipeline.from_pretrained(folder).transformer)


def z_image(folder: Path) -> Tensors:
    """Save a Z-Image; the tensors of its transformer."""
    tiny_flow_models.save_z_image(folder)
    return z_image_tensors(ZImagePipeline.from_pretrained(folder).transformer)


def sd3(folder: Path, *, has_others: bool = True) -> Tensors:
    """Save a Stable Diffusion 3; the tensors of all its networks."""
    tiny_flow_models.save_sd3(folder)
    pipeline = StableDiffusion3Pipeline.from_pretrained(folder)
    projection = pipeline.text_encoder.text_projection  # of a checkpoint it is this in diffusers
    projection.weight = torch.nn.Parameter(torch.eye(tiny_model.WIDTH))
    pipeline.save_pretrained(folder)
    return sd3_tensors(pipeline, has_others=has_others)


def sd3_alone(folder: Path) -> Tensors:
    """The same with those of the transformer."""
    return sd3(folder, has_others=False)


def converted_z_image(folder: Path) -> Tensors:
    """Save a Z-Image; the tensors of its transformer by the names of diffusers."""
    tiny_flow_models.save_z_image(folder)
    return dict(ZImagePipeline.from_pretrained(folder).transformer.state_dict())


@pytest.mark.parametrize(
    ("save", "prefix"),
    [
        (sd3, ""),
        (sd3_alone, ""),
        (klein, ""),
        (klein, "model.diffusion_model."),
        (z_image, ""),
        (z_image, "model.diffusion_model."),
        (converted_z_image, ""),
    ],
)
def test_a_transformer_paints_the_bits_of_its_folder(
    save: Callable[[Path], Tensors], prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the file lacks is in the configuration, which needs no other weights."""
    folder = tmp_path / "turbo"
    tensors = {prefix + name: tensor for name, tensor in save(folder).items()}
    path = write(tmp_path / "turbo.safetensors", tensors)
    ours = load_engine_core(str(folder))
    [expected] = painted_images(job(recipe(ours, guidance=1.0)), ours)
    parts = read_checkpoint(path, "x").components
    assert len(parts) == (5 if save is sd3 else 1)
    for part in parts:
        [weights] = (folder / part).glob("*.safetensors")
        weights.unlink()
    monkeypatch.setenv(CONFIG, str(folder))
    assert describe(find_model_files(str(path))).native_size == ours.model.card.native_size
    core = load_engine_core(str(path))
    [image] = painted_images(job(recipe(core, guidance=1.0)), core)
    assert image.sha256 == expected.sha256
    assert core.model.card.distilled == ours.model.card.distilled


@pytest.mark.parametrize(
    ("save", "pipeline_class", "encoders"),
    [
        (tiny_model.save, StableDiffusionPipeline, ["clip_l"]),
        (tiny_model.save, StableDiffusionPipeline, ["clip_h"]),
        (tiny_model.save_xl, StableDiffusionXLPipeline, ["clip_l", "clip_g"]),
    ],
)
def test_a_checkpoint_of_forge_paints_the_bits_of_its_folder(
    save: Callable[[Path], Path],
    pipeline_class: type[DiffusionPipeline],
    encoders: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its text encoders have the names of transformers."""
    folder = save(tmp_path / "tiny")
    tensors = forge_tensors(pipeline_class.from_pretrained(folder), *encoders)
    path = write(tmp_path / "x.safetensors", tensors)
    assert len(read_checkpoint(path, "x").components) == 2 + len(encoders)
    monkeypatch.setenv(CONFIG, str(folder))
    digests = set()
    for name in (folder, path):
        core = load_engine_core(str(name))
        digests.add(painted_images(job(recipe(core)), core)[0].sha256)
    assert len(digests) == 1


def test_a_folder_of_another_size_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says what is needed."""
    tensors = z_image(tmp_path / "z-image")
    wide = torch.zeros(99, *tensors["x_embedder.weight"].shape[1:])
    path = write(tmp_path / "x.safetensors", tensors | {"x_embedder.weight": wide})
    monkeypatch.setenv(CONFIG, str(tmp_path / "z-image"))
    expected = "has the transformer of a Z-Image of width 99: name the diffusers folder"
    with pytest.raises(ModelCorrupt, match=expected):
        registry.load(str(path), select_device())


def change_config(folder: Path, other: Path, **changes: object) -> Path:
    """Copy the configuration of a model, with another config of its transformer."""
    shutil.copytree(folder, other, ignore=shutil.ignore_patterns("*.safetensors"))
    path = other / "transformer" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return other


@pytest.mark.parametrize(
    ("save", "changes"),
    [
        (sd3_alone, {"qk_norm": None}),
        (sd3_alone, {"dual_attention_layers": []}),
        (sd3_alone, {"num_layers": 1}),
        (klein, {"num_layers": 2}),
        (klein, {"num_single_layers": 1}),
        (z_image, {"n_layers": 1}),
        (converted_z_image, {"n_refiner_layers": 2}),
    ],
)
def test_a_folder_of_another_structure_does_not_fit(
    save: Callable[[Path], Tensors],
    changes: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next one is taken; without one, the sentence says what its config has."""
    path = write(tmp_path / "x.safetensors", save(tmp_path / "same"))
    other = change_config(tmp_path / "same", tmp_path / "other", **changes)
    monkeypatch.setenv(CONFIG, f"{other},{tmp_path / 'same'}")
    assert find_model_files(str(path)).folder == tmp_path / "same"
    monkeypatch.setenv(CONFIG, str(other))
    with pytest.raises(
        ModelCorrupt, match=f'The config of its transformer has .*"{next(iter(changes))}"'
    ):
        find_model_files(str(path))


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        ({"guidance_in.in_layer.weight": torch.zeros(1)}, "that is not klein, which is not"),
        (
            {"text_encoders.x": torch.zeros(1)},
            "with a text encoder whose tensors have unknown names",
        ),
        ({"img_in.weight": torch.tensor(1.0)}, r"is damaged: it has no img_in\.weight"),
    ],
)
def test_other_transformers_are_refused(tensors: Tensors, sentence: str, tmp_path: Path) -> None:
    """By what they are."""
    first = {"single_stream_modulation.lin.weight": torch.zeros(2, 2)}
    path = write(tmp_path / "x.safetensors", first | tensors)
    with pytest.raises(ModelCorrupt, match=sentence):
        read_checkpoint(path, "x")


@pytest.mark.parametrize("name", ["pos_embed", "final_layer.linear.bias"])
def test_weights_that_are_not_finite_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Positions are a buffer, which is no parameter of the network."""
    tensors = sd3_alone(tmp_path / "sd3")
    name = next(other for other in tensors if other.endswith(name))
    damaged = torch.full_like(tensors[name], torch.nan)
    path = write(tmp_path / "x.safetensors", tensors | {name: damaged})
    monkeypatch.setenv(CONFIG, str(tmp_path / "sd3"))
    with pytest.raises(ModelCorrupt, match="of the transformer has NaN or infinite numbers"):
        registry.load(str(path), select_device())


def test_a_quantised_transformer_is_refused(tmp_path: Path) -> None:
    """As other quantised checkpoints."""
    tensors = {"layers.0.adaLN_modulation.0.weight": torch.zeros(2, 2, dtype=torch.uint8)}
    path = write(tmp_path / "x.safetensors", tensors)
    with pytest.raises(ModelCorrupt, match=r"is quantised \(U8\), which is not supported"):
        read_checkpoint(path, "x")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float8_e4m3fn])
def test_t5_in_the_file_is_left_out_if_the_configuration_has_none(
    dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model paints what its folder paints, whatever T5 is like."""
    folder = tmp_path / "sd3"
    tensors = sd3(folder)
    index = folder / "model_index.json"
    none = {"text_encoder_3": [None, None], "tokenizer_3": [None, None]}
    index.write_text(json.dumps(json.loads(index.read_text()) | none))
    shutil.rmtree(folder / "tokenizer_3")
    path = tmp_path / "x.safetensors"
    t5 = "text_encoders.t5xxl."
    save_file(
        {
            name: (tensor.to(dtype) if name.startswith(t5) else tensor).detach().contiguous()
            for name, tensor in tensors.items()
        },
        path,
    )
    monkeypatch.setenv(CONFIG, str(folder))
    files = find_model_files(str(path))
    assert all(file.parent.name != "text_encoder_3" for file in files.weight_files)
    used = [tensor for name, tensor in tensors.items() if not name.startswith(t5)]
    assert loaded_bytes(files, 4, lambda part: part != "safety_checker") == sum(
        4 * tensor.numel() for tensor in used
    )
    assert describe(files).native_size
    digests = set()
    for name in (folder, path):
        core = load_engine_core(str(name))
        digests.add(painted_images(job(recipe(core)), core)[0].sha256)
    assert len(digests) == 1


def test_t5_in_8_bits_with_scales_is_refused_if_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says how to do without it."""
    tensors = sd3(tmp_path / "sd3")
    name = "text_encoders.t5xxl.transformer.shared.scale_weight"
    path = tmp_path / "x.safetensors"
    changed = {other: tensor.detach().contiguous() for other, tensor in tensors.items()}
    save_file(changed | {name: torch.ones(1)}, path)
    monkeypatch.setenv(CONFIG, str(tmp_path / "sd3"))
    sentence = rf"the tensor {name} is .* or text_encoder_3 and tokenizer_3 in the model_index.json"
    with pytest.raises(ModelCorrupt, match=sentence):
        find_model_files(str(path))


def test_a_checkpoint_without_t5_needs_one_or_a_configuration_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says both."""
    folder = tmp_path / "sd3"
    tensors = {name: part for name, part in sd3(folder).items() if "t5xxl" not in name}
    [weights] = (folder / "text_encoder_3").glob("*.safetensors")
    weights.unlink()
    monkeypatch.setenv(CONFIG, str(folder))
    path = write(tmp_path / "x.safetensors", tensors)
    with pytest.raises(ModelCorrupt) as excinfo:
        registry.load(str(path), select_device())
    assert "has no text_encoder_3, and the folder of its configuration" in str(excinfo.value)
    assert f"must have [null, null] for text_encoder_3 and tokenizer_3 in {folder}" in str(
        excinfo.value
    )
