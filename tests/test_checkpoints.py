"""What a single-file checkpoint is, by the header of the file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError, ModelCorrupt, ModelNotFound, NoSafetyChecker, StorageFailed
from engine.weights.checkpoint_files import CheckpointFiles
from engine.weights.checkpoints import MAX_HEADER_BYTES, Checkpoint, Kind, read_checkpoint
from engine.weights.model_files import find_model_files
from engine.weights.model_folder import STARTER_FOLDER

Shapes = dict[str, tuple[int, ...]]
UNET = "model.diffusion_model."
CONTEXT = f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
PROJECTION = f"{UNET}input_blocks.1.1.proj_in.weight"
SD1_TEXT: Shapes = {
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (9, 768)
}
SD2_TEXT: Shapes = {"cond_stage_model.model.token_embedding.weight": (9, 1024)}
XL_TEXT: Shapes = {
    "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight": (9, 768),
    "conditioner.embedders.1.model.token_embedding.weight": (9, 1280),
}
REFINER_TEXT: Shapes = {"conditioner.embedders.0.model.token_embedding.weight": (9, 1280)}
VAE: Shapes = {"first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3)}


def unet(
    context: int = 768, *, channels: int = 4, proj_in: tuple[int, ...] = (320, 320, 1, 1)
) -> Shapes:
    """Some of the tensors of a UNet."""
    return {
        f"{UNET}input_blocks.0.0.weight": (320, channels, 3, 3),
        f"{UNET}out.2.weight": (4, 320, 3, 3),
        CONTEXT: (320, context),
        PROJECTION: proj_in,
    }


def write_header(
    path: Path, shapes: Shapes, *, dtype: str = "F16", metadata: object = None, data: int = 0
) -> Path:
    """Write a safetensors file with this header, whose tensors have no data."""
    header: dict[str, Any] = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": (0, data)}
        for name, shape in shapes.items()
    }
    if metadata is not None:
        header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a checkpoint to write."""
    return tmp_path / "model.safetensors"


def read(path: Path) -> Checkpoint:
    """The checkpoint in a file."""
    return read_checkpoint(path, path.name)


def refusal(path: Path, shapes: Shapes, **options: Any) -> str:  # noqa: ANN401 - of `write_header`
    """The sentence about a file with these tensors."""
    write_header(path, shapes, **options)
    with pytest.raises(ModelCorrupt) as excinfo:
        read(path)
    return str(excinfo.value)


@pytest.mark.parametrize(
    ("shapes", "kind"),
    [
        (unet() | SD1_TEXT, Kind.SD1),
        (unet(1024) | SD2_TEXT, Kind.SD2),
        (unet(2048) | XL_TEXT, Kind.SDXL),
        (unet(), Kind.SD1),
        (unet(1024, proj_in=(320, 320)), Kind.SD2),
        (unet(2048, proj_in=(320, 320)), Kind.SDXL),
        (unet(64) | {f"{UNET}label_emb.0.0.weight": (1280, 2816)}, Kind.SDXL),
    ],
)
def test_names_and_shapes_decide_the_kind(path: Path, shapes: Shapes, kind: Kind) -> None:
    """With text encoders, or by the UNet alone."""
    write_header(path, shapes | VAE)
    assert read(path).kind is kind


def test_the_components_inside_are_listed(path: Path) -> None:
    """With the names of their tensors in the file."""
    write_header(path, unet(2048) | XL_TEXT | VAE)
    assert set(read(path).components) == {"unet", "vae", "text_encoder", "text_encoder_2"}
    write_header(path, unet(2048))
    assert set(read(path).components) == {"unet"}


def test_short_names_of_a_text_encoder_are_understood(path: Path) -> None:
    """Some programs leave out a part that others write."""
    short = "cond_stage_model.transformer.embeddings.token_embedding.weight"
    write_header(path, unet() | {short: (9, 768)})
    [(standard, name)] = read(path).components["text_encoder"].items()
    assert (standard, name) == (next(iter(SD1_TEXT)), short)


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({}, "it has no tensors"),
        (unet(channels=9) | SD1_TEXT, "an inpainting model, because its UNet takes 9 channels"),
        (unet(channels=8), "an editing model"),
        (unet(channels=5), "a depth model"),
        (unet(1280) | REFINER_TEXT, "an SDXL refiner"),
        (unet() | {f"{UNET}time_embed.cond_proj.weight": (320, 256)}, "a latent consistency model"),
        (unet() | {f"{UNET}time_embedding.cond_proj.weight": (320, 256)}, "with the guidance as"),
        ({"model.diffusion_model.joint_blocks.0.x": (1,)}, "of the family Stable Diffusion 3"),
        ({"double_blocks.0.img_attn.norm.key_norm.scale": (1,)}, "of the family FLUX,"),
        ({"single_stream_modulation.lin.weight": (1,)}, "of the family FLUX.2"),
        ({"layers.0.adaLN_modulation.0.weight": (1,)}, "of the family Z-Image"),
        ({"transformer_blocks.0.txt_mlp.net.weight": (1,)}, "of the family Qwen-Image"),
        ({"blocks.0.attn.weight": (1,)}, "a transformer, which is not supported"),
        ({"lora_unet_down_blocks_0.lora_up.weight": (4, 4)}, "a LoRA, which is no model by itself"),
        ({"unet.down_blocks.0.attn.to_q.lora_A.weight": (4, 4)}, "a LoRA"),
        ({"control_model.time_embed.0.weight": (4, 4)}, "a ControlNet"),
        ({"first_stage_model.decoder.conv_in.weight": (4, 4, 3, 3)}, "a VAE alone"),
        ({"decoder.conv_in.weight": (4, 4, 3, 3)}, "a VAE alone"),
        ({"text_model.encoder.layers.0.mlp.fc1.weight": (4, 4)}, "a text encoder alone"),
        ({"encoder.block.0.layer.0.weight": (4, 4)}, "a text encoder alone"),
        ({"down_blocks.0.resnets.0.conv1.weight": (4, 4, 3, 3)}, "a UNet alone"),
        ({"conv_first.weight": (4, 4, 3, 3)}, "an upscaler"),
        ({"emb_params": (8, 768)}, "a textual inversion embedding"),
        ({"clip_l": (8, 768), "clip_g": (8, 1280)}, "a textual inversion embedding"),
        ({"anything.weight": (4, 4, 4)}, "of an unknown kind"),
    ],
)
def test_other_files_are_refused_by_their_name(path: Path, shapes: Shapes, words: str) -> None:
    """The sentence ends with what is supported."""
    sentence = refusal(path, shapes)
    assert sentence.startswith(f"The file {path.name} is ")
    assert words in sentence
    assert "a whole checkpoint of Stable Diffusion 1, 2 or SDXL" in sentence


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2", "U8", "I8", "F4"])
def test_quantised_weights_are_refused(path: Path, dtype: str) -> None:
    """There is no standard for the names of their scales."""
    assert f"quantised ({dtype})" in refusal(path, unet(), dtype=dtype)


@pytest.mark.parametrize("dtype", ["F8_\x1b[2J", f"F8_{'E' * 1000}"])
def test_only_names_of_data_types_are_repeated(path: Path, dtype: str) -> None:
    """The sentence goes to the terminal and into the log."""
    write_header(path, unet(), dtype=dtype)
    assert read(path).kind is Kind.SD1


def test_a_licence_is_one_line_of_printable_characters(path: Path) -> None:
    """It is shown in the terminal."""
    write_header(path, unet(), metadata={"modelspec.license": "Open\x1b[2J\r\n RAIL" + "x" * 1000})
    licence = read(path).licence
    assert licence is not None
    assert licence.isprintable()
    assert licence.startswith("Open [2J RAILx")
    assert len(licence) <= 100


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\x05\x00", "is not a safetensors file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "is not a safetensors"),
        ((2).to_bytes(8, "little") + b"[]", "is not a safetensors file"),
        ((9).to_bytes(8, "little") + b"{'a': 1}", "is cut off"),
        ((8).to_bytes(8, "little") + b"{'a': 1}", "has a damaged header"),
        ((8).to_bytes(8, "little") + b'{"a": 1}', "has a damaged header"),
        ((8).to_bytes(8, "little") + b'{"\xff": 1}', "has a damaged header"),
        ((MAX_HEADER_BYTES + 1).to_bytes(8, "little") + b"{}", "is not a safetensors file"),
        (b"\xff" * 16, "is not a safetensors file"),
        ((20_000).to_bytes(8, "little") + b'{"a":' * 4_000, "has a damaged header"),
    ],
)
def test_a_damaged_header_is_refused(path: Path, data: bytes, words: str) -> None:
    """The length in the first bytes may be anything."""
    path.write_bytes(data)
    with pytest.raises(ModelCorrupt, match=words):
        read(path)


def test_a_file_that_is_cut_off_is_refused(path: Path) -> None:
    """Its header is complete, but not the data."""
    assert "is cut off: download it again" in refusal(path, unet(), data=1000)


@pytest.mark.parametrize("metadata", [{"format": 1}, [], "pt"])
def test_metadata_that_is_no_text_is_refused(path: Path, metadata: object) -> None:
    """The safetensors library does not read such files."""
    assert "has a damaged header" in refusal(path, unet(), metadata=metadata)


@pytest.mark.parametrize(
    ("metadata", "more", "changes"),
    [
        ({}, {}, {}),
        ({"modelspec.prediction_type": "v"}, {}, {"prediction_type": "v_prediction"}),
        ({"modelspec.prediction_type": "epsilon"}, {}, {"prediction_type": "epsilon"}),
        ({"modelspec.prediction_type": "?", "x": "\u0000"}, {}, {}),
        ({}, {"v_pred": (0,)}, {"prediction_type": "v_prediction"}),
        (
            {},
            {"v_pred": (0,), "ztsnr": (0,)},
            {
                "prediction_type": "v_prediction",
                "rescale_betas_zero_snr": True,
                "timestep_spacing": "trailing",
            },
        ),
    ],
)
def test_a_noise_schedule_in_the_file_is_read(
    path: Path, metadata: dict[str, str], more: Shapes, changes: dict[str, object]
) -> None:
    """From the metadata, or from empty tensors."""
    write_header(path, unet(2048) | XL_TEXT | more, metadata=metadata)
    assert read(path).scheduler_changes == changes


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".pth", ".bin", ".pkl", ".CKPT"])
def test_a_pickle_is_refused_by_its_name(tmp_path: Path, suffix: str) -> None:
    """It is not opened."""
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"\x80\x04.")
    with pytest.raises(ModelCorrupt, match=r"is a pickle: .* Convert it to safetensors"):
        find_model_files(str(path))


@pytest.mark.parametrize(
    ("name", "words"), [("model.gguf", r"quantised \(GGUF\)"), ("model.txt", "not a checkpoint")]
)
def test_other_kinds_of_files_are_refused(tmp_path: Path, name: str, words: str) -> None:
    """They exist, so they are no hub ids."""
    (tmp_path / name).write_text("x")
    with pytest.raises(ModelCorrupt, match=words):
        find_model_files(str(tmp_path / name))


@pytest.mark.parametrize(
    "name", ["models/x.safetensors", "/nowhere/x.ckpt", "x.safetensors", "~/nowhere/x.PT"]
)
def test_a_file_that_does_not_exist_is_not_asked_of_the_hub(name: str) -> None:
    """The name can be no hub id."""
    with pytest.raises(ModelNotFound, match="There is no file"):
        find_model_files(name)


def test_relative_paths_and_those_in_the_home_directory_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of the model is the path as given."""
    (tmp_path / "models").mkdir()
    write_header(tmp_path / "models" / "x.safetensors", unet(channels=9))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("models/x.safetensors", "~/models/x.safetensors"):
        with pytest.raises(ModelCorrupt, match=f"The file {name} is an inpainting model"):
            find_model_files(name)


def test_a_path_that_cannot_be_read_is_named() -> None:
    """The sentence has the operating system's reason."""
    with pytest.raises(StorageFailed, match="File name too long"):
        find_model_files(f"/{'x' * 5000}.safetensors")


def config_error(path: Path) -> EngineError:
    """The error about the configuration of a checkpoint."""
    with pytest.raises(EngineError) as excinfo:
        CheckpointFiles(path.name, path)
    assert "\n" not in str(excinfo.value)
    return excinfo.value


def test_without_a_configuration_the_sentence_says_where_to_put_it(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub cannot be reached."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    write_header(path, unet(2048) | XL_TEXT | VAE)
    error = config_error(path)
    assert isinstance(error, ModelNotFound)
    assert "needs the configuration of stabilityai/stable-diffusion-xl-base-1.0" in str(error)
    assert "in IMAGINE_MODEL_CONFIG" in str(error)


def test_a_configuration_that_is_no_folder_is_refused(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names the setting and its value."""
    monkeypatch.setenv("IMAGINE_MODEL_CONFIG", str(tmp_path))
    write_header(path, unet() | SD1_TEXT | VAE)
    assert f"IMAGINE_MODEL_CONFIG names {tmp_path}, which is not" in str(config_error(path))


def test_a_configuration_has_to_fit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A UNet of another size has other weights."""
    monkeypatch.setenv("IMAGINE_MODEL_CONFIG", str(STARTER_FOLDER))
    write_header(path, unet(64) | SD1_TEXT | VAE)
    assert "a UNet of unusual size (320 channels, context of 64)" in str(config_error(path))


def test_the_configuration_has_no_guidance_as_an_input(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint has no weights for it, so the next folder is taken."""
    config = {"block_out_channels": [320], "cross_attention_dim": 768}
    lcm = cache_repository(tmp_path, "any/lcm", config | {"time_cond_proj_dim": 256})
    plain = cache_repository(tmp_path, "any/plain", config | {"time_cond_proj_dim": None})
    monkeypatch.setenv("IMAGINE_MODEL_CONFIG", f"{lcm},{plain}")
    write_header(path, unet() | SD1_TEXT | VAE)
    assert CheckpointFiles("x", path).folder == plain


def test_the_starter_is_a_configuration_where_it_fits(path: Path) -> None:
    """Of checkpoints that were trained from it; what they lack is taken from it too."""
    config = json.loads((STARTER_FOLDER / "unet" / "config.json").read_text())
    shapes = unet(config["cross_attention_dim"]) | {
        f"{UNET}input_blocks.0.0.weight": (config["block_out_channels"][0], 4, 3, 3)
    }
    write_header(path, shapes)
    files = CheckpointFiles("x", path)
    files.require("unet", "vae", "text_encoder", "tokenizer", "scheduler")
    files.require_tokenizer("tokenizer")
    assert files.folder == STARTER_FOLDER
    assert files.safety_checker_folder() == STARTER_FOLDER
    assert files.family == "StableDiffusionPipeline"


def cache_repository(cache: Path, repository: str, unet_config: Mapping[str, object]) -> Path:
    """Put a repository into the hub's cache, without weights; returns its folder."""
    place = cache / f"models--{repository.replace('/', '--')}"
    snapshot = place / "snapshots" / "0123"
    (snapshot / "unet").mkdir(parents=True)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("0123")
    index = {"_class_name": "StableDiffusionPipeline", "vae": ["diffusers", "AutoencoderKL"]}
    (snapshot / "model_index.json").write_text(json.dumps(index))
    (snapshot / "unet" / "config.json").write_text(json.dumps(unet_config))
    (snapshot / "vae").mkdir()
    return snapshot


def test_a_missing_component_is_named(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the checkpoint has it nor the folder of the configuration."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    snapshot = cache_repository(tmp_path, "stable-diffusion-v1-5/stable-diffusion-v1-5", {})
    write_header(path, unet() | SD1_TEXT)
    files = CheckpointFiles("x", path)
    assert files.folder == snapshot
    with pytest.raises(ModelCorrupt, match=r"The checkpoint x has no vae, and .* has none either"):
        files.require("vae")


def test_an_incomplete_configuration_in_the_cache_is_named(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as the safety checker alone; the hub cannot be reached."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = "stable-diffusion-v1-5/stable-diffusion-v1-5"
    (cache_repository(tmp_path, repository, {}) / "model_index.json").unlink()
    write_header(path, unet() | SD1_TEXT | VAE)
    error = config_error(path)
    assert isinstance(error, ModelCorrupt)
    assert f"{path.name} (Stable Diffusion 1) needs the configuration of {repository}" in str(error)
    assert "in IMAGINE_MODEL_CONFIG" in str(error)


@pytest.mark.parametrize(
    ("prediction", "repository"),
    [(None, "2-1"), ("v", "2-1"), ("epsilon", "2-1-base")],
)
def test_the_configuration_of_stable_diffusion_2_depends_on_what_it_predicts(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prediction: str | None,
    repository: str,
) -> None:
    """If the checkpoint does not say it, it is taken for one of 768 pixels."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    name = f"sd2-community/stable-diffusion-{repository}"
    snapshot = cache_repository(tmp_path, name, {})
    metadata = prediction and {"modelspec.prediction_type": prediction}
    write_header(path, unet(1024) | SD2_TEXT | VAE, metadata=metadata)
    assert CheckpointFiles("x", path).folder == snapshot


def test_a_checkpoint_without_any_safety_checker_is_refused(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of Stable Diffusion 1.5 cannot be downloaded in this test."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    config = {"block_out_channels": [320], "cross_attention_dim": 768}
    folder = cache_repository(tmp_path, "any/other", config)
    monkeypatch.setenv("IMAGINE_MODEL_CONFIG", f" , {folder}")
    write_header(path, unet() | SD1_TEXT | VAE)
    files = CheckpointFiles("x", path)
    with pytest.raises(NoSafetyChecker, match="The checkpoint x has no safety checker"):
        files.safety_checker_folder()


def test_a_safety_checker_needs_its_feature_extractor(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the folder of the configuration; that of Stable Diffusion 1.5 is complete."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    config = {"block_out_channels": [320], "cross_attention_dim": 768}
    folder = cache_repository(tmp_path, "any/other", config)
    (folder / "safety_checker").mkdir()
    write_header(folder / "safety_checker" / "model.safetensors", {})
    monkeypatch.setenv("IMAGINE_MODEL_CONFIG", str(folder))
    write_header(path, unet() | SD1_TEXT | VAE)
    files = CheckpointFiles("x", path)
    with pytest.raises(NoSafetyChecker):
        files.safety_checker_folder()
    (folder / "feature_extractor").mkdir()
    assert files.safety_checker_folder() == folder


def test_a_large_header_is_read(path: Path) -> None:
    """SDXL has some thousand tensors."""
    shapes: Shapes = {f"{UNET}middle_block.{number}.weight": (4, 4) for number in range(5000)}
    write_header(path, unet() | shapes)
    assert len(read(path).components["unet"]) == 5000 + len(unet())
