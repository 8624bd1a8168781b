"""The training loop is seeded and resumable."""

import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from engine.errors import ExitCode
from engine.starter import train as command
from engine.starter.autoencoder import new_autoencoder
from engine.starter.export import MODEL_FOLDER, load_ema_checkpoint
from engine.starter.trainer import TrainingConfig, train
from engine.weights.model_folder import STARTER_FOLDER

CONFIG = TrainingConfig(steps=12, rate=0.05, warmup=2, average=0.9)


def fitted(folder: Path, stop_at: int | None = None) -> nn.Linear:
    """A line that is fitted to points, in a training that is resumed before step `stop_at`."""
    torch.manual_seed(1)
    line = nn.Linear(1, 1)

    def loss_at(step: int, generator: torch.Generator) -> Tensor:
        if step == stop_at:
            raise KeyboardInterrupt
        x = torch.randn(16, 1, generator=generator)
        loss: Tensor = (line(x) - 3 * x).square().mean()
        return loss

    try:
        train("line", line, loss_at, CONFIG, folder, save_every=0.0)
    except KeyboardInterrupt:
        return fitted(folder)
    return line


def test_training_reduces_the_error(tmp_path: Path) -> None:
    """The slope approaches that of the points."""
    torch.manual_seed(1)
    before = nn.Linear(1, 1).weight.item()
    after = fitted(tmp_path).weight.item()
    assert abs(after - 3) < abs(before - 3)


def test_a_resumed_training_has_the_same_weights(tmp_path: Path) -> None:
    """They equal those of a training that was not interrupted."""
    whole = fitted(tmp_path / "whole")
    resumed = fitted(tmp_path / "resumed", stop_at=7)
    assert torch.equal(whole.weight, resumed.weight)
    assert torch.equal(whole.bias, resumed.bias)


def test_the_learning_rate_warms_up_and_decays() -> None:
    """It ends at a fiftieth of its peak."""
    rates = [CONFIG.rate_at(step, step / CONFIG.steps) for step in range(CONFIG.steps + 1)]
    assert rates[0] < rates[1] == max(rates)
    assert abs(rates[-1] - CONFIG.rate / 50) < 1e-9


def as_of_a_gpu(checkpoint: Path) -> None:
    """Name CUDA as the device of the tensors in a file of `torch.save`."""
    with zipfile.ZipFile(checkpoint) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(checkpoint, "w") as archive:
        for name, data in members.items():
            # strings in a pickle: X, length, text
            archive.writestr(
                name, data.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            )


def test_a_checkpoint_of_a_gpu_is_read_without_one(tmp_path: Path) -> None:
    """So a model that was trained there can be exported and trained further here."""
    trained = fitted(tmp_path)
    as_of_a_gpu(tmp_path / "line.pt")
    assert torch.equal(fitted(tmp_path).weight, trained.weight)
    line = nn.Linear(1, 1)
    load_ema_checkpoint(tmp_path / "line.pt", line)
    assert torch.equal(line.weight, trained.weight)


def test_a_training_by_the_clock_ends_with_a_checkpoint(tmp_path: Path) -> None:
    """Its time counts from run to run: when it is over, another run trains no further."""
    config = replace(CONFIG, steps=1, seconds=0.5)
    line, steps = nn.Linear(1, 1), list[int]()

    def loss_at(step: int, generator: torch.Generator) -> Tensor:
        steps.append(step)
        loss: Tensor = line(torch.randn(16, 1, generator=generator)).square().mean()
        return loss

    train("line", line, loss_at, config, tmp_path)
    assert steps == list(range(len(steps))) and len(steps) > config.steps
    saved = torch.load(tmp_path / "line.pt", weights_only=True)
    assert (saved["step"], saved["seconds"] >= 0.5) == (len(steps), True)
    trained = len(steps)
    train("line", line, loss_at, config, tmp_path)
    assert len(steps) == trained


def test_several_processes_do_not_train_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that ends earlier would leave the others waiting for its gradients."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(sys, "argv", ["train", "--minutes", "1", "--work", str(tmp_path)])
    with pytest.raises(SystemExit):
        command.main()
    assert "--minutes is for a single process" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stage", "checkpoint"),
    [
        ("latents", "vae"),
        ("distill_guidance", "denoiser.pt"),
        ("save", "checker-final.pt"),
        ("save_refined", "refined.pt"),
        ("save_student", "student.pt"),
        ("save_decoder", "decoder.pt"),
    ],
)
def test_a_stage_without_its_checkpoint_is_refused(
    stage: str,
    checkpoint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It would write untrained weights over the finished ones; no file of them changes."""
    out = tmp_path / "out"
    shutil.copytree(STARTER_FOLDER, out / MODEL_FOLDER)
    before = _changes(out)
    arguments = ["--only", stage, "--work", str(tmp_path / "work"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["train", *arguments, "--scenes", "4"])
    with pytest.raises(SystemExit) as exit_info:
        command.main()
    assert exit_info.value.code == ExitCode.USAGE
    assert f"{tmp_path / 'work' / checkpoint} does not exist: " in capsys.readouterr().err
    assert _changes(out) == before


def _changes(folder: Path) -> dict[Path, int]:
    """When each file in the folder was changed last."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_model_is_not_saved_without_its_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The pictures for the checker are not painted by untrained networks either."""
    new_autoencoder().save_pretrained(tmp_path / "vae")
    monkeypatch.setattr(
        sys, "argv", ["train", "--only", "paintings", "--work", str(tmp_path), "--paintings", "4"]
    )
    with pytest.raises(SystemExit):
        command.main()
    assert f"{tmp_path / 'distilled.pt'} does not exist: " in capsys.readouterr().err
