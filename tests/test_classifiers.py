"""Image classifiers as safety checkers."""

import importlib.util
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.device import Device
from engine.errors import (
    EngineError,
    MissingDependency,
    ModelCorrupt,
    ModelNotFound,
    NoSafetyChecker,
)
from engine.models import registry
from engine.safety import CheckerSet
from engine.safety.classifiers import load
from tests import tiny_classifier, tiny_model
from tests.engine_parts import Painted, job, new_engine_core, recipe, run_job, sketch

CPU = Device(torch.device("cpu"), torch.float32, 1)
FREEPIK = ("neutral", "low", "medium", "high")


def load_error(folder: Path | str) -> EngineError:
    """The error that `load` raises for this checker."""
    with pytest.raises(EngineError) as excinfo:
        load(str(folder), CPU)
    return excinfo.value


@pytest.mark.parametrize(
    ("labels", "probabilities", "score"),
    [
        (("normal", "nsfw"), (0.8, 0.2), 0.2),
        (("normal", "nsfw"), (0.4, 0.6), 0.6),
        (("NSFW", "SFW"), (0.6, 0.4), 0.6),
        (FREEPIK, (0.2, 0.7, 0.05, 0.05), 0.1),
        (FREEPIK, (0.2, 0.2, 0.3, 0.3), 0.6),
    ],
)
def test_the_probabilities_of_unsafe_labels_are_added(
    tmp_path: Path, labels: tuple[str, ...], probabilities: tuple[float, ...], score: float
) -> None:
    """The order of the labels does not matter, and a sum of 0.5 or more flags the image."""
    folder = str(tiny_classifier.save(tmp_path / "a", labels, probabilities))
    verdict = load(folder, CPU).check(sketch())
    assert verdict.checker == folder
    assert verdict.score == pytest.approx(score, abs=1e-5)
    assert verdict.flagged == (score >= 0.5)


def test_probabilities_that_are_nan_flag_the_image(tmp_path: Path) -> None:
    """A comparison of NaN with the threshold alone would pass the image."""
    folder = tiny_classifier.save(tmp_path / "a", probabilities=(math.nan, math.nan))
    [verdict] = CheckerSet([load(str(folder), CPU)]).check(sketch())
    assert verdict.flagged and verdict.score is None


def add_output(folder: Path) -> None:
    """Give the network more outputs than labels."""
    tensors = load_file(folder / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        tensors[name] = torch.cat([tensors[name], tensors[name][:1]])
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def remove_tensor(folder: Path) -> None:
    """Remove a tensor, which transformers would initialise randomly."""
    tensors = load_file(folder / "model.safetensors")
    del tensors["classifier.bias"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def truncate(folder: Path) -> None:
    """Truncate the weights, like an interrupted download."""
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])


def pickle_weights(folder: Path) -> None:
    """Replace the weights by a pickle; loading it could run code."""
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def add_pickle_shard(folder: Path) -> None:
    """Add an index that names a pickle as the shard of all weights."""
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "shard.bin")
    index = {"metadata": {}, "weight_map": dict.fromkeys(weights, "shard.bin")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def remove_processor(folder: Path) -> None:
    """Remove the config of the image processor."""
    (folder / "preprocessor_config.json").unlink()


def empty(folder: Path) -> None:
    """Remove all files."""
    shutil.rmtree(folder)
    folder.mkdir()


def add_code(folder: Path) -> None:
    """Add a Python file to the folder, and name its class in the config."""
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")


@pytest.mark.parametrize(
    "damage",
    [
        add_output,
        remove_tensor,
        truncate,
        pickle_weights,
        add_pickle_shard,
        remove_processor,
        empty,
        add_code,
    ],
)
def test_a_damaged_classifier_is_refused(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """Loading raises an error, and no code of the folder is run."""
    folder = tiny_classifier.save(tmp_path / "a")
    damage(folder)
    assert isinstance(load_error(folder), ModelCorrupt)
    assert not (folder / "ran").exists()


def test_labels_that_are_not_understood_are_refused(tmp_path: Path) -> None:
    """The engine does not guess which labels are unsafe."""
    error = load_error(tiny_classifier.save(tmp_path / "a", ("cat", "dog")))
    assert isinstance(error, NoSafetyChecker)
    assert "has the labels cat, dog; which of them are unsafe is not known" in str(error)


@pytest.mark.parametrize("name", ["nowhere", "./nowhere", "/nowhere", "a/b/c"])
def test_an_invalid_name_is_refused(name: str) -> None:
    """The name is neither a folder nor a hub id; the message says what is allowed."""
    error = load_error(name)
    assert isinstance(error, ModelNotFound)
    assert "give `model`, a folder, or a hub id" in str(error)


@pytest.mark.skipif(importlib.util.find_spec("timm") is not None, reason="timm is installed")
def test_a_classifier_that_needs_timm_says_so(tmp_path: Path) -> None:
    """The classifiers of Freepik and Marqo need timm, which transformers only wraps."""
    config = {
        "architecture": "vit_tiny_patch16_384",
        "num_classes": 2,
        "label_names": ["NSFW", "SFW"],
        "pretrained_cfg": {"input_size": [3, 384, 384], "num_classes": 2},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file({"head.bias": torch.zeros(2)}, tmp_path / "model.safetensors")
    error = load_error(tmp_path)
    assert isinstance(error, MissingDependency)
    assert "with transformers alone: it needs the packages timm and torchvision" in str(error)


@pytest.mark.parametrize(("nsfw", "flagged"), [(0.2, False), (0.9, True)])
def test_a_model_without_a_builtin_checker_is_checked_by_a_classifier(
    tmp_path: Path, nsfw: float, flagged: bool
) -> None:
    """The only verdict on its images is that of the classifier."""
    folder = tiny_model.save(tmp_path / "tiny")
    shutil.rmtree(folder / "safety_checker")
    other = str(tiny_classifier.save(tmp_path / "a", probabilities=(1 - nsfw, nsfw)))
    core = new_engine_core(registry.load(str(folder), CPU, [other]))
    ending = run_job(job(recipe(core)), core)
    assert isinstance(ending, Painted)
    [image] = ending.pictures
    assert [verdict.checker for verdict in image.verdicts] == [other]
    assert image.withheld == flagged
    with pytest.raises(NoSafetyChecker, match="or name classifiers in IMAGINE_CHECKERS"):
        registry.load(str(folder), CPU, ["model", other])


def test_an_sdxl_with_a_classifier_needs_no_concept_checker(tmp_path: Path) -> None:
    """No concept checker is downloaded."""
    folder = tiny_model.save_xl(tmp_path / "xl")
    shutil.rmtree(folder / "safety_checker")
    other = str(tiny_classifier.save(tmp_path / "a"))
    core = new_engine_core(registry.load(str(folder), CPU, [other]))
    assert [verdict.checker for verdict in core.model.check_safety(sketch())] == [other]


def test_all_checkers_are_used(tmp_path: Path) -> None:
    """An image that the builtin checker passes and the classifier flags is flagged."""
    folder = tiny_model.save(tmp_path / "tiny", tiny_model.NEVER)
    other = str(tiny_classifier.save(tmp_path / "a", probabilities=(0.1, 0.9)))
    model = registry.load(str(folder), CPU, ["model", other])
    verdicts = model.check_safety(sketch())
    assert {verdict.checker: verdict.flagged for verdict in verdicts} == {
        "model": False,
        other: True,
    }
