"""What is wrong with a text encoder is said when a model is listed, in the words of loading."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.device import select_device
from engine.errors import ExitCode, ModelCorrupt
from engine.models import registry
from tests import tiny_flow_models, tiny_model
from tests.engine_parts import load_engine_core, recipe

SAVE: dict[str, Callable[[Path], Path]] = {
    "sd": tiny_model.save,
    "xl": tiny_model.save_xl,
    "sd3": tiny_flow_models.save_sd3,
    "klein": tiny_flow_models.save_klein,
    "z_image": tiny_flow_models.save_z_image,
}
NONE = [None, None]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of each family."""
    return {name: save(tmp_path_factory.mktemp(name) / name) for name, save in SAVE.items()}


def change(path: Path, **changes: object) -> None:
    """Write other values into a file of JSON."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refusal(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence about a model that can be neither loaded nor listed."""
    with pytest.raises(ModelCorrupt) as excinfo:
        registry.load(str(folder), select_device())
    capsys.readouterr()
    assert main(["models", "--model", str(folder)]) == ExitCode.MODEL_CORRUPT
    [sentence] = capsys.readouterr().err.splitlines()
    assert sentence == str(excinfo.value)
    return sentence


@pytest.mark.parametrize(
    ("kind", "encoder", "changes", "words"),
    [
        ("sd", "text_encoder", {"hidden_size": "x"}, "'hidden_size' expected int, got str"),
        ("sd", "text_encoder", {"max_position_embeddings": None}, "expected int, got NoneType"),
        ("sd", "text_encoder", {"num_attention_heads": 5}, "is not a multiple of the number"),
        ("xl", "text_encoder_2", {"hidden_size": [1]}, "'hidden_size' expected int, got list"),
        ("sd3", "text_encoder_3", {"d_model": "x"}, "Field 'd_model' expected int, got str"),
        ("klein", "text_encoder", {"hidden_size": 1.5}, "'hidden_size' expected int, got float"),
        ("z_image", "text_encoder", {"num_hidden_layers": "2"}, "expected int, got str"),
        ("sd", "text_encoder", {"model_type": "t5"}, "it must be clip_text_model or clip."),
        ("sd", "text_encoder", {"model_type": None}, "has the model_type None in its config"),
        ("sd3", "text_encoder_3", {"model_type": "qwen3"}, "it must be t5."),
        ("klein", "text_encoder", {"model_type": "l\nlama"}, "has the model_type l lama in its"),
    ],
)
def test_a_wrong_config_is_named_in_the_list_too(
    kind: str,
    encoder: str,
    changes: dict[str, object],
    words: str,
    folders: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the component and the model."""
    folder = Path(shutil.copytree(folders[kind], tmp_path / "model"))
    change(folder / encoder / "config.json", **changes)
    sentence = refusal(folder, capsys)
    assert f"the {encoder} of the model {folder}".lower() in sentence.lower()
    assert words in sentence


@pytest.mark.parametrize(
    ("component", "entry"),
    [
        ("unet", ["diffusers", "NoSuchModel"]),
        ("unet", ["transformers", "UNet2DConditionModel"]),
        ("vae", ["diffusers", None]),
        ("vae", ["diffusers", "UNet2DConditionModel"]),
    ],
)
def test_a_wrong_class_is_named_in_the_list_too(
    component: str,
    entry: list[object],
    folders: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With what the index has."""
    folder = Path(shutil.copytree(folders["sd"], tmp_path / "model"))
    change(folder / "model_index.json", **{component: entry})
    words = f"The {component} of the model {folder} is {json.dumps(entry)} in model_index.json"
    assert words in refusal(folder, capsys)


def test_a_text_encoder_may_have_the_config_of_a_whole_clip(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    """transformers reads a part of it."""
    folder = Path(shutil.copytree(folders["sd"], tmp_path / "model"))
    path = folder / "text_encoder" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({"model_type": "clip", "text_config": config}))
    assert registry.load(str(folder), select_device()).card.native_size


@pytest.mark.parametrize("has_tokenizer", [True, False])
def test_a_model_without_t5_needs_no_tokenizer_of_it(
    has_tokenizer: bool, folders: dict[str, Path], tmp_path: Path
) -> None:
    """CLIP alone decides which words are read, though there is a tokenizer."""
    folder = Path(shutil.copytree(folders["sd3"], tmp_path / "model"))
    change(folder / "model_index.json", text_encoder_3=NONE)
    if not has_tokenizer:
        change(folder / "model_index.json", tokenizer_3=NONE)
        shutil.rmtree(folder / "tokenizer_3")
    shutil.rmtree(folder / "text_encoder_3")
    core = load_engine_core(str(folder))
    omission = core.model.omission(recipe(core, prompt="a " * 100))
    assert omission is not None
    assert core.model.pipeline.tokenizer_3 is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("text_encoder_3/model.safetensors", "has no safetensors in its text_encoder_3"),
        ("text_encoder_3", "it has no text_encoder_3"),
        ("tokenizer_3", "it has no tokenizer_3"),
    ],
)
def test_half_of_t5_is_missing(
    missing: str,
    words: str,
    folders: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The sentence says how to do without it."""
    folder = Path(shutil.copytree(folders["sd3"], tmp_path / "model"))
    path = folder / missing
    path.unlink() if path.is_file() else shutil.rmtree(path)
    sentence = refusal(folder, capsys)
    assert words in sentence
    assert "must have [null, null] for text_encoder_3 and tokenizer_3 in" in sentence


def test_t5_without_a_tokenizer_is_refused(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It could encode no prompt."""
    folder = Path(shutil.copytree(folders["sd3"], tmp_path / "model"))
    change(folder / "model_index.json", tokenizer_3=NONE)
    assert "it has no tokenizer_3" in refusal(folder, capsys)


@pytest.mark.parametrize("kind", ["sd", "sd3", "z_image"])
def test_a_config_without_channels_has_those_of_diffusers(
    kind: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    """The list knows the default of each class, as loading does."""
    folder = Path(shutil.copytree(folders[kind], tmp_path / "model"))
    path = folder / ("unet" if kind == "sd" else "transformer") / "config.json"
    config = json.loads(path.read_text())
    del config["in_channels"]
    path.write_text(json.dumps(config))
    assert registry.load(str(folder), select_device()).card.native_size
    assert main(["models", "--model", str(folder)]) == ExitCode.DONE
