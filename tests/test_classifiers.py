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

from engine.contract import Painted
from engine.device import Device
from engine.errors import (
    EngineError,
    MissingDependency,
    ModelCorrupt,
    ModelNotFound,
    NoSafetyChecker,
)
from engine.models import registry
from engine.safety import Panel
from engine.safety.classifiers import load
from tests import tiny_classifier, tiny_model
from tests.engine_parts import at_work, ending, job, recipe, sketch

CPU = Device(torch.device("cpu"), torch.float32, 1)
FREEPIK = ("neutral", "low", "medium", "high")


def refusal(folder: Path | str) -> EngineError:
    """Why this checker is not loaded."""
    with pytest.raises(EngineError) as caught:
        load(str(folder), CPU)
    return caught.value


@pytest.mark.parametrize(
    ("labels", "says", "score"),
    [
        (("normal", "nsfw"), (0.8, 0.2), 0.2),
        (("normal", "nsfw"), (0.4, 0.6), 0.6),
        (("NSFW", "SFW"), (0.6, 0.4), 0.6),
        (FREEPIK, (0.2, 0.7, 0.05, 0.05), 0.1),
        (FREEPIK, (0.2, 0.2, 0.3, 0.3), 0.6),
    ],
)
def test_the_shares_of_unsafe_labels_are_added(
    tmp_path: Path, labels: tuple[str, ...], says: tuple[float, ...], score: float
) -> None:
    """In whichever order they stand; from a half on the picture is flagged."""
    folder = str(tiny_classifier.save(tmp_path / "a", labels, says))
    said = load(folder, CPU).look(sketch())
    assert said.checker == folder
    assert said.score == pytest.approx(score, abs=1e-5)
    assert said.flagged == (score >= 0.5)


def test_numbers_that_are_none_flag_the_picture(tmp_path: Path) -> None:
    """A share that is no number is in no relation to the threshold."""
    folder = tiny_classifier.save(tmp_path / "a", says=(math.nan, math.nan))
    [said] = Panel([load(str(folder), CPU)]).verdicts(sketch())
    assert said.flagged and said.score is None


def more_outputs(folder: Path) -> None:
    """A network with more numbers than labels."""
    tensors = load_file(folder / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        tensors[name] = torch.cat([tensors[name], tensors[name][:1]])
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def punch(folder: Path) -> None:
    """Weights with a hole, which transformers would fill with random numbers."""
    tensors = load_file(folder / "model.safetensors")
    del tensors["classifier.bias"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def cut(folder: Path) -> None:
    """Half downloaded."""
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])


def pickled(folder: Path) -> None:
    """Weights that could run code when they are read."""
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def indexed(folder: Path) -> None:
    """Shards, one of which is a pickle."""
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "shard.bin")
    index = {"metadata": {}, "weight_map": dict.fromkeys(weights, "shard.bin")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def unprepared(folder: Path) -> None:
    """How pictures are prepared is not said."""
    (folder / "preprocessor_config.json").unlink()


def emptied(folder: Path) -> None:
    """Nothing is left."""
    shutil.rmtree(folder)
    folder.mkdir()


def foreign(folder: Path) -> None:
    """A model that comes with code of its own, which would have to be run."""
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")


@pytest.mark.parametrize(
    "damage", [more_outputs, punch, cut, pickled, indexed, unprepared, emptied, foreign]
)
def test_a_damaged_classifier_is_refused(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """Nothing is checked by what is not whole, and no code of others is run."""
    folder = tiny_classifier.save(tmp_path / "a")
    damage(folder)
    assert isinstance(refusal(folder), ModelCorrupt)
    assert not (folder / "ran").exists()


def test_labels_that_are_not_understood_are_refused(tmp_path: Path) -> None:
    """The engine does not start, rather than to guess."""
    error = refusal(tiny_classifier.save(tmp_path / "a", ("cat", "dog")))
    assert isinstance(error, NoSafetyChecker)
    assert "has the labels cat, dog, which are not understood" in str(error)


@pytest.mark.parametrize("name", ["nowhere", "./nowhere", "/nowhere", "a/b/c"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    """It is neither a folder nor a hub id."""
    error = refusal(name)
    assert isinstance(error, ModelNotFound)
    assert "give `model`, a folder, or a hub id" in str(error)


@pytest.mark.skipif(importlib.util.find_spec("timm") is not None, reason="timm is installed")
def test_a_classifier_that_needs_timm_says_so(tmp_path: Path) -> None:
    """As Freepik's and Marqo's do: transformers only wraps them."""
    config = {
        "architecture": "vit_tiny_patch16_384",
        "num_classes": 2,
        "label_names": ["NSFW", "SFW"],
        "pretrained_cfg": {"input_size": [3, 384, 384], "num_classes": 2},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file({"head.bias": torch.zeros(2)}, tmp_path / "model.safetensors")
    error = refusal(tmp_path)
    assert isinstance(error, MissingDependency)
    assert "with transformers alone: it needs the packages timm and torchvision" in str(error)


@pytest.mark.parametrize(("share", "flagged"), [(0.2, False), (0.9, True)])
def test_a_model_without_a_checker_of_its_own_is_checked_by_others(
    tmp_path: Path, share: float, flagged: bool
) -> None:
    """Its pictures have their verdicts alone."""
    folder = tiny_model.save(tmp_path / "tiny")
    shutil.rmtree(folder / "safety_checker")
    other = str(tiny_classifier.save(tmp_path / "a", says=(1 - share, share)))
    by = at_work(registry.load(str(folder), CPU, [other]))
    ended = ending(job(recipe(by)), by)
    assert isinstance(ended, Painted)
    [picture] = ended.pictures
    assert [said.checker for said in picture.verdicts] == [other]
    assert picture.withheld == flagged
    with pytest.raises(NoSafetyChecker, match="or name classifiers in IMAGINE_CHECKERS"):
        registry.load(str(folder), CPU, ["model", other])


def test_an_sdxl_needs_no_other_checker_then(tmp_path: Path) -> None:
    """Nothing is fetched from the hub for it."""
    folder = tiny_model.save_xl(tmp_path / "xl")
    shutil.rmtree(folder / "safety_checker")
    other = str(tiny_classifier.save(tmp_path / "a"))
    by = at_work(registry.load(str(folder), CPU, [other]))
    assert [said.checker for said in by.model.verdicts(sketch())] == [other]


def test_all_checkers_are_asked(tmp_path: Path) -> None:
    """The model's own says no, the other yes: the picture is withheld."""
    folder = tiny_model.save(tmp_path / "tiny", tiny_model.NEVER)
    other = str(tiny_classifier.save(tmp_path / "a", says=(0.1, 0.9)))
    model = registry.load(str(folder), CPU, ["model", other])
    verdicts = {said.checker: said.flagged for said in model.verdicts(sketch())}
    assert verdicts == {"model": False, other: True}
