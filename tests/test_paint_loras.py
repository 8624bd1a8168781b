"""The command `paint` with LoRAs in files anywhere."""

import json
from pathlib import Path

import msgspec
import pytest

from engine.__main__ import main
from engine.contract import Recipe, sha256
from engine.errors import ExitCode
from tests import tiny_model
from tests.lora_files import save_kohya, save_peft
from tests.samples import pixels_digest


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and two LoRAs."""
    folder = tmp_path_factory.mktemp("home")
    tiny_model.save(folder / "model")
    save_kohya(folder / "ink.v2.safetensors", folder / "model")
    save_peft(folder / "sea.safetensors", folder / "model")
    return folder


def painted(folder: Path) -> tuple[Recipe, str]:
    """The recipe and the digest of the one picture of a folder."""
    [line] = (folder / "recipes.jsonl").read_text().splitlines()
    digest = pixels_digest((folder / "0.png").read_bytes())
    return msgspec.json.decode(line, type=Recipe), digest


def test_paint_with_files(home: Path, tmp_path: Path) -> None:
    """The recipe names them by the stems of their files, with scales; it paints the same picture
    again with these files, which a prompt can name too, and a job file."""
    options = ["--steps", "2", "--count", "1", "--seed", "5", "--model", str(home / "model")]
    files = [
        "--lora",
        f"{home / 'ink.v2.safetensors'}:0.8",
        "--lora",
        f"{home / 'sea.safetensors'}",
    ]
    assert main(["paint", "a boat", *options, *files, "--out", str(tmp_path / "a")]) == 0
    recipe, digest = painted(tmp_path / "a")
    data = (home / "ink.v2.safetensors").read_bytes()
    assert [(each.name, each.scale) for each in recipe.adapters] == [("ink.v2", 0.8), ("sea", 1.0)]
    assert recipe.adapters[0].revision == sha256(data)
    again = ["paint", "--recipes", str(tmp_path / "a" / "recipes.jsonl"), *files]
    assert main([*again, "--model", str(home / "model"), "--out", str(tmp_path / "b")]) == 0
    assert painted(tmp_path / "b") == (recipe, digest)
    spec = {"id": "x", "prompt": "a boat", "steps": 2, "count": 1, "seed": 5, "lora": files[1::2]}
    (tmp_path / "jobs").write_text(json.dumps(spec))
    jobs = ["paint", "--jobs", str(tmp_path / "jobs"), "--model", str(home / "model")]
    assert main([*jobs, "--out", str(tmp_path / "c")]) == 0
    assert painted(tmp_path / "c" / "x") == (recipe, digest)


def test_configured_loras_have_names(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the option and in the prompt alike."""
    monkeypatch.setenv("IMAGINE_LORAS", str(home))
    options = ["--steps", "2", "--count", "1", "--seed", "5", "--model", str(home / "model")]
    named = ["paint", "a boat", "--lora", "ink.v2:0.8", *options]
    assert main([*named, "--out", str(tmp_path / "a")]) == 0
    assert main(["paint", "a boat <lora:ink.v2:0.8>", *options, "--out", str(tmp_path / "b")]) == 0
    assert painted(tmp_path / "a") == painted(tmp_path / "b")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("gone.safetensors", "The LoRA gone.safetensors is not a file."),
        ("gone:0.5", "There is no LoRA “gone” for the model"),
        ("old.ckpt", "The LoRA old is a pickle"),
        ("sea.safetensors:9", "The scale of the LoRA sea is 9; it must be -4 to 4."),
        ("sea.safetensors:nan", "it must be a number."),
    ],
)
def test_a_lora_that_cannot_be_used_is_a_usage_error(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    value: str,
    sentence: str,
) -> None:
    """With one sentence."""
    monkeypatch.chdir(home)
    (home / "old.ckpt").write_bytes(b"pickle")
    options = ["--lora", value, "--model", str(home / "model"), "--out", str(tmp_path)]
    assert main(["paint", "a boat", *options]) == ExitCode.USAGE
    assert sentence in capsys.readouterr().err + caplog.text
