"""What a single-file checkpoint is, by the header of the file."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ModelCorrupt, ModelNotFound, StorageFailed
from engine.weights.checkpoint_names import Kind
from engine.weights.checkpoints import Checkpoint, read_checkpoint
from engine.weights.header import MAX_HEADER_BYTES
from engine.weights.model_files import find_model_files
from tests.checkpoint_headers import (
    REFINER_TEXT,
    SD1_TEXT,
    SD2_TEXT,
    UNET,
    VAE,
    XL_TEXT,
    Shapes,
    unet,
    write_header,
)


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
        (unet() | {"conditioner.embedders.0.transformer.text_model.x": (9, 768)}, Kind.SD1),
        (unet(1024) | {"conditioner.embedders.0.model.x": (9, 1024)}, Kind.SD2),
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
        (unet(channels=7) | SD1_TEXT, "an upscaling model, because its UNet takes 7 channels"),
        (unet(channels=5), "a depth model"),
        (unet(1280) | REFINER_TEXT, "an SDXL refiner"),
        (unet(1024) | {f"{UNET}label_emb.0.0.weight": (1280, 2048)}, "an unCLIP model"),
        (unet() | {f"{UNET}time_embed.cond_proj.weight": (320, 256)}, "a latent consistency model"),
        (unet() | {f"{UNET}time_embedding.cond_proj.weight": (320, 256)}, "with the guidance as"),
        ({"double_blocks.0.img_attn.norm.key_norm.scale": (1,)}, "of the family FLUX,"),
        (
            {"single_stream_modulation.lin.weight": (1,), "guidance_in.in_layer.weight": (1,)},
            "of the family FLUX.2 that is not klein",
        ),
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
        ({"model_ema.diffusion_modelinput_blocks00weight": (4, 4, 3, 3)}, "averaged weights (EMA)"),
        (unet(2048) | {"edm_vpred.sigma_max": (1,)}, "of the family CosXL"),
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


@pytest.mark.parametrize("end", ["input_blocks.0.0.weight", "out.2.weight"])
@pytest.mark.parametrize(
    "others", [SD1_TEXT | VAE, {"joint_blocks.0.x": (1,)}, {"single_stream_modulation.x": (1,)}]
)
def test_half_a_unet_is_damaged(path: Path, end: str, others: Shapes) -> None:
    """Whatever else is in the file."""
    shapes = {name: shape for name, shape in unet().items() if name != UNET + end}
    assert f"is damaged: its UNet has no {end};" in refusal(path, shapes | others)
    only = {f"{UNET}input_blocks.0.0.weight": (), "joint_blocks.0.x": (1,)}
    assert "is damaged: its UNet has no out.2.weight;" in refusal(path, only)


@pytest.mark.parametrize("dtype", ["F8_E8M0", "U8", "I8", "F4"])
def test_quantised_weights_are_refused(path: Path, dtype: str) -> None:
    """There is no standard for the names of their scales."""
    assert f"quantised ({dtype})" in refusal(path, unet(), dtype=dtype)


@pytest.mark.parametrize("dtype", ["F8_\x1b[2J", f"F8_{'E' * 1000}"])
def test_only_names_of_data_types_are_repeated(path: Path, dtype: str) -> None:
    """The sentence goes to the terminal and into the log."""
    assert "quantised (of an unknown type)" in refusal(path, unet(), dtype=dtype)


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


@pytest.mark.parametrize(
    ("shape", "offsets"),
    [
        ([-4, -4], [0, 64]),
        ([4, -1], [0, 0]),
        ([16], [-64, 64]),
        ([16], [-128, -64]),
        ([16], [64, 0]),
    ],
)
def test_negative_sizes_and_places_are_refused(
    path: Path, shape: list[int], offsets: list[int]
) -> None:
    """The sentence names the tensor, its values and what is allowed."""
    header = {"a\n.weight": {"dtype": "F32", "shape": shape, "data_offsets": offsets}}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(64))
    with pytest.raises(ModelCorrupt) as excinfo:
        read(path)
    assert str(excinfo.value) == (
        f"The file {path.name} has a damaged header: the tensor a .weight has the shape {shape} "
        f"and the data_offsets {offsets}; these must be whole numbers from 0, the second offset "
        "not below the first one."
    )


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
        (
            {"modelspec.architecture": "stable-diffusion-v2-768-v"},
            {},
            {"prediction_type": "v_prediction"},
        ),
        ({"modelspec.architecture": "stable-diffusion-v2-512"}, {}, {"prediction_type": "epsilon"}),
        ({"modelspec.architecture": "stable-diffusion-xl-v1-base"}, {}, {}),
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
    ("name", "words"),
    [
        ("model.gguf", "is not a GGUF file, or it is damaged"),
        ("model.txt", "not a checkpoint"),
    ],
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
    write_header(tmp_path / "models" / "x.safetensors", unet(channels=5))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("models/x.safetensors", "~/models/x.safetensors"):
        with pytest.raises(ModelCorrupt, match=f"The file {name} is a depth model"):
            find_model_files(name)


def test_a_path_that_cannot_be_read_is_named() -> None:
    """The sentence has the operating system's reason."""
    with pytest.raises(StorageFailed, match="File name too long"):
        find_model_files(f"/{'x' * 5000}.safetensors")


def test_a_large_header_is_read(path: Path) -> None:
    """SDXL has some thousand tensors."""
    shapes: Shapes = {f"{UNET}middle_block.{number}.weight": (4, 4) for number in range(5000)}
    write_header(path, unet() | shapes)
    assert len(read(path).components["unet"]) == 5000 + len(unet())
