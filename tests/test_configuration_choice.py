"""Which of several folders is the configuration of a checkpoint, and what settings it gives."""

import json
import logging
import shutil
from pathlib import Path

import pytest
from diffusers import Flux2KleinPipeline, SD3Transformer2DModel, ZImagePipeline

from engine.models.description import describe
from engine.weights.checkpoint_names import Kind
from engine.weights.model_files import find_model_files
from engine.weights.model_names import KLEIN, PLAIN, variant_of_name
from tests import tiny_flow_models
from tests.checkpoint_headers import SD1_TEXT, VAE, unet, write_header
from tests.checkpoint_writer import klein_tensors, write, z_image_tensors
from tests.single_files import CONFIG


@pytest.mark.parametrize(
    ("kind", "name", "variant"),
    [
        (Kind.FLUX_2_KLEIN, "flux-2-klein-4b", KLEIN),
        (Kind.FLUX_2_KLEIN, "flux-2-klein-9b-fp8", KLEIN),
        (Kind.FLUX_2_KLEIN, "FLUX.2-klein-4B_bf16", KLEIN),
        (Kind.FLUX_2_KLEIN, "flux-2-klein-base-4b", PLAIN),
        (Kind.FLUX_2_KLEIN, "flux2-klein-anime", None),
        (Kind.FLUX_2_KLEIN, "anime_distilled_v2", KLEIN),
        (Kind.FLUX_2_KLEIN, "klein_turbo", "Turbo"),
        (Kind.Z_IMAGE, "z_image_turbo_bf16", "Turbo"),
        (Kind.Z_IMAGE, "zImageTurbo_v10", "Turbo"),
        (Kind.Z_IMAGE, "z-image-de-turbo", PLAIN),
        (Kind.Z_IMAGE, "z_image_bf16", PLAIN),
        (Kind.Z_IMAGE, "Z-Image-Base", PLAIN),
        (Kind.Z_IMAGE, "z-image-anime", None),
        (Kind.Z_IMAGE, "diffusion_pytorch_model", None),
        (Kind.Z_IMAGE, "", None),
        (Kind.SDXL, "sd_xl_base_1.0", PLAIN),
        (Kind.SDXL, "sdxl_lightning_4step", "Lightning"),
        (Kind.SD3, "sd3.5_large", PLAIN),
        (Kind.SD3, "sd3.5_large_turbo", "Turbo"),
        (Kind.SD1, "dreamshaper_8", None),
    ],
)
def test_a_name_tells_whether_a_model_is_distilled(
    kind: Kind, name: str, variant: str | None
) -> None:
    """The names of files and folders as they are published."""
    assert variant_of_name(kind, name) == variant


@pytest.fixture(scope="module")
def z_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Z-Image, whose scheduler has no shift."""
    return tiny_flow_models.save_z_image(tmp_path_factory.mktemp("models") / "z", shift=1.0)


@pytest.fixture(scope="module")
def z_image_file(z_image: Path) -> Path:
    """A checkpoint of it, whose name says nothing."""
    transformer = ZImagePipeline.from_pretrained(z_image).transformer
    return write(z_image.parent / "x.safetensors", z_image_tensors(transformer))


def copy(folder: Path, other: Path, *, shift: float | None = None, **index: object) -> Path:
    """A copy of a folder, with other values in its index and its scheduler config."""
    shutil.copytree(folder, other)
    change(other / "model_index.json", **index)
    if shift is not None:
        change(other / "scheduler" / "scheduler_config.json", shift=shift)
    return other


def change(path: Path, **changes: object) -> None:
    """Write other values into a file of JSON."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def chosen(
    file: Path, folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, int, float]:
    """The configuration of a checkpoint in any order of these folders, with its settings."""
    results = set()
    for order in (folders, folders[::-1]):
        monkeypatch.setenv(CONFIG, ",".join(map(str, order)))
        files = find_model_files(str(file))
        description = describe(files)
        results.add((files.folder, description.steps, description.guidance))
    [only] = results
    return only


def test_klein_and_klein_base_are_distinguished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the name of the file and by `is_distilled` of the folder, whatever it is called."""
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder, is_distilled in zip(folders, (True, False), strict=True):
        tiny_flow_models.save_klein(folder, is_distilled=is_distilled)
    tensors = klein_tensors(Flux2KleinPipeline.from_pretrained(folders[0]).transformer)
    for name, expected in {
        "flux-2-klein-4b": (folders[0], 4, 1.0),
        "flux-2-klein-base-4b": (folders[1], 50, 4.0),
    }.items():
        path = write(tmp_path / f"{name}.safetensors", tensors)
        assert chosen(path, folders, monkeypatch) == expected


@pytest.mark.parametrize(
    ("folders", "has_origin", "shifts"),
    [
        (("Z-Image-Turbo", "Z-Image"), False, (None, None)),
        (("models--T--Z-Image-Turbo/snapshots/0", "models--T--Z-Image/snapshots/1"), False, (3, 3)),
        (("one", "two"), True, (None, None)),
        (("one", "two"), False, (3.0, 6.0)),
    ],
)
def test_z_image_and_z_image_turbo_are_distinguished(
    folders: tuple[str, str],
    has_origin: bool,
    shifts: tuple[float | None, float | None],
    z_image: Path,
    z_image_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the name of the folder, by that of its model on the hub, or by its scheduler config."""
    turbo, plain = (
        copy(
            z_image,
            tmp_path / folder,
            shift=shift,
            **({"_name_or_path": name} if has_origin else {}),
        )
        for folder, shift, name in zip(
            folders, shifts, ("T/Z-Image-Turbo", "T/Z-Image"), strict=True
        )
    )
    for name, expected in {
        "z_image_turbo_bf16": (turbo, 8, 1.0),
        "z_image_bf16": (plain, 50, 5.0),
    }.items():
        file = Path(shutil.copy(z_image_file, tmp_path / f"{name}.safetensors"))
        assert chosen(file, [turbo, plain], monkeypatch) == expected


def test_the_metadata_tell_what_the_name_does_not(
    z_image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The title, or the model that it was trained from."""
    folders = [copy(z_image, tmp_path / name) for name in ("Z-Image", "Z-Image-Turbo")]
    tensors = z_image_tensors(ZImagePipeline.from_pretrained(z_image).transformer)
    for key in ("modelspec.title", "ss_sd_model_name"):
        metadata = {key: "z_image_turbo.safetensors"}
        file = write(tmp_path / "mine.safetensors", tensors, metadata=metadata)
        assert chosen(file, folders, monkeypatch) == (folders[1], 8, 1.0)


def test_common_words_of_the_names_tell_more(
    z_image: Path, z_image_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of the same fine-tuned model fits best."""
    folders = [copy(z_image, tmp_path / name) for name in ("z-image-anime", "z-image-photo")]
    file = Path(shutil.copy(z_image_file, tmp_path / "photo-v3.safetensors"))
    assert chosen(file, folders, monkeypatch)[0] == folders[1]


def test_a_file_in_a_folder_has_that_configuration(
    z_image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the names are; the settings are those of the folder."""
    turbo, plain = (copy(z_image, tmp_path / name) for name in ("Z-Image-Turbo", "Z-Image"))
    for folder, settings in ((turbo, (8, 1.0)), (plain, (50, 5.0))):
        file = folder / "transformer" / "diffusion_pytorch_model.safetensors"
        assert chosen(file, [turbo, plain], monkeypatch) == (folder, *settings)


@pytest.mark.parametrize(("folder", "steps"), [("Z-Image-Turbo", 8), ("Z-Image", 50), ("x", 50)])
def test_a_file_whose_name_says_nothing_has_the_settings_of_the_folder(
    folder: str,
    steps: int,
    z_image: Path,
    z_image_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log says which one that is."""
    only = copy(z_image, tmp_path / folder)
    monkeypatch.setenv(CONFIG, str(only))
    with caplog.at_level(logging.INFO, "engine"):
        assert describe(find_model_files(str(z_image_file))).steps == steps
    assert caplog.messages == [f"The configuration of the checkpoint {z_image_file} is {only}"]


def test_the_first_folder_is_taken_if_nothing_tells(
    z_image: Path,
    z_image_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One warning names it, and says how to choose another one."""
    folders = [copy(z_image, tmp_path / name) for name in ("Z-Image", "Z-Image-Turbo")]
    for first, second in (folders, folders[::-1]):
        monkeypatch.setenv(CONFIG, f"{first},{second}")
        caplog.clear()
        assert find_model_files(str(z_image_file)).folder == first
        [sentence] = caplog.messages
        assert f"The folders {first} and {second} in {CONFIG} fit the checkpoint" in sentence
        assert f"the first one, {first}, is its configuration" in sentence
        assert "To choose another one, name it before the others" in sentence


def test_a_folder_of_another_variant_is_taken_with_a_warning(
    z_image: Path,
    z_image_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """If it is the only one that fits."""
    folder = copy(z_image, tmp_path / "Z-Image")
    file = Path(shutil.copy(z_image_file, tmp_path / "z_image_turbo.safetensors"))
    monkeypatch.setenv(CONFIG, str(folder))
    assert describe(find_model_files(str(file))).steps == 8
    [sentence] = caplog.messages
    assert f"is {folder}, though by their names one of them is distilled" in sentence


def test_a_distilled_unet_has_a_plain_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its publishers have no other one, so there is no warning."""
    folder = tmp_path / "sd-base"
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    config = {"block_out_channels": [320], "cross_attention_dim": 768}
    (folder / "unet" / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv(CONFIG, str(folder))
    file = write_header(tmp_path / "sd_lightning_4step.safetensors", unet() | SD1_TEXT | VAE)
    with caplog.at_level(logging.INFO, "engine"):
        assert find_model_files(str(file)).folder == folder
    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_a_folder_whose_files_are_damaged_is_not_preferred(
    z_image: Path, z_image_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its scheduler config tells nothing then."""
    good, damaged = (copy(z_image, tmp_path / name, shift=3.0) for name in ("one", "two"))
    (damaged / "scheduler" / "scheduler_config.json").write_text("[" * 10)
    file = Path(shutil.copy(z_image_file, tmp_path / "z_image_turbo.safetensors"))
    monkeypatch.setenv(CONFIG, f"{damaged},{good}")
    assert find_model_files(str(file)).folder == good


@pytest.mark.parametrize(
    ("name", "title", "folder", "steps"),
    [
        ("mine", "", "stable-diffusion-3.5-large-turbo", 4),
        ("mine", "", "stable-diffusion-3.5-large", 28),
        ("mine", "SD3.5 Large Turbo", "x", 4),
        ("sd3.5_large", "", "stable-diffusion-3.5-large-turbo", 28),
        ("sd3.5_large_turbo", "", "stable-diffusion-3.5-large", 4),
    ],
)
def test_a_stable_diffusion_3_has_the_settings_of_what_is_known(
    name: str,
    title: str,
    folder: str,
    steps: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the name of the file, its metadata, or else the folder."""
    config = tiny_flow_models.save_sd3(tmp_path / folder, has_t5=False)
    transformer = SD3Transformer2DModel.from_pretrained(config / "transformer")
    metadata = {"modelspec.title": title}
    path = tmp_path / f"{name}.safetensors"
    write(path, dict(transformer.state_dict()), metadata=metadata)
    monkeypatch.setenv(CONFIG, str(config))
    assert describe(find_model_files(str(path))).steps == steps
