"""Where the configuration and the safety checker of a single-file checkpoint come from."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.errors import EngineError, ModelCorrupt, ModelNotFound, NoSafetyChecker
from engine.weights.checkpoint_files import CheckpointFiles
from engine.weights.model_folder import STARTER_FOLDER
from tests.checkpoint_headers import (
    SD1_TEXT,
    SD2_TEXT,
    UNET,
    VAE,
    XL_TEXT,
    unet,
    write_header,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a checkpoint to write."""
    return tmp_path / "model.safetensors"


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
