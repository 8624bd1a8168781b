"""An engine with several models."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from engine.__main__ import main
from engine.contract import Recipe
from engine.core.process import load, parse_models
from engine.device import Device, select_device
from engine.errors import ExitCode, UsageError
from engine.models import registry
from engine.models.base import DiffusionModel
from tests import tiny_classifier, tiny_model
from tests.engine_parts import (
    Painted,
    job,
    load_engine_core,
    new_engine_core,
    painted_images,
    recipe,
    run_together,
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The folders of a model and of an SDXL model."""
    folder = tmp_path_factory.mktemp("models")
    return [str(tiny_model.save(folder / "one")), str(tiny_model.save_xl(folder / "xl"))]


def recipe_of(model: DiffusionModel, **changes: Any) -> Recipe:  # noqa: ANN401 - any field
    """A quick recipe for this model."""
    return recipe(model=model.card.name, revision=model.card.revision, **changes)


def test_names_are_separated_by_commas() -> None:
    """Spaces around them are ignored; a list without names, or with one twice, is refused."""
    assert parse_models("starter, ./a,") == ("starter", "./a")
    with pytest.raises(UsageError, match="names no model"):
        parse_models(" ,")
    with pytest.raises(UsageError, match="The model a is named twice"):
        parse_models("a,b,a")


def test_a_folder_of_two_names_is_one_model(tmp_path: Path) -> None:
    """It would be loaded twice."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    for other in (f"{tmp_path}/", str(tmp_path / "." / "..") + f"/{tmp_path.name}", str(link)):
        with pytest.raises(UsageError, match=r"and .* are the same model; name each model once"):
            parse_models(f"a/b,{tmp_path},{other}")


def test_models_paint_at_the_same_time(folders: list[str]) -> None:
    """Each picture has the bits that it has with its model alone, also in one job of both models,
    and the fingerprint of its model."""
    models = registry.load_all(folders, select_device())
    core = new_engine_core(*models)
    recipes = [recipe_of(model, seed=seed) for seed in (1, 2) for model in models]
    mixed, other = run_together(core, job(*recipes), job(recipes[1], job="b"))
    assert isinstance(mixed, Painted) and isinstance(other, Painted)
    alone = {folder: load_engine_core(folder) for folder in folders}
    expected = [
        painted_images(job(a_recipe), alone[a_recipe.model])[0].sha256 for a_recipe in recipes
    ]
    assert [picture.sha256 for picture in mixed.pictures] == expected
    assert other.pictures[0].sha256 == expected[1]
    assert {picture.fingerprint for picture in mixed.pictures} == {
        model.card.fingerprint for model in models
    }


def test_each_model_has_its_own_checker(tmp_path: Path) -> None:
    """A strict checker of one model does not flag the pictures of another; a classifier that is
    named for all of them is loaded once."""
    strict = str(tiny_model.save(tmp_path / "strict", tiny_model.ALWAYS))
    lax = str(tiny_model.save(tmp_path / "lax"))
    classifier = str(tiny_classifier.save(tmp_path / "classifier"))
    models = registry.load_all([strict, lax], select_device(), ["model", classifier])
    core = new_engine_core(*models)
    flagged, passed = painted_images(job(*map(recipe_of, models)), core)
    assert flagged.flagged and not passed.flagged
    assert {verdict.checker for verdict in passed.verdicts} == {"model", classifier}


def test_models_on_a_cpu_share_the_number_of_threads(folders: list[str]) -> None:
    """If one needs several threads, all use them: the number is a setting of the process, and the
    fingerprint of each model says it."""
    before = torch.get_num_threads()
    device = Device(torch.device("cpu"), torch.float32, threads=3, single_thread_max_work=2e7)
    try:
        small, large = (registry.load(folder, device).device for folder in folders)
        assert (small.threads, large.threads) == (1, 3)
        devices = [model.device for model in registry.load_all(folders, device)]
        assert [device.threads for device in devices] == [3, 3]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_an_unknown_model_is_named(folders: list[str]) -> None:
    """The sentence names the one that cannot be found."""
    with pytest.raises(Exception, match=r"There is no model \./nowhere"):
        load(f"{folders[0]},./nowhere")


def test_jobs_of_a_file_name_their_models(folders: list[str], tmp_path: Path) -> None:
    """Without --model, the models that the jobs name are loaded."""
    lines = [
        {"id": str(number), "prompt": "a boat", "steps": 1, "count": 1, "model": folder}
        for number, folder in enumerate(folders)
    ]
    jobs, out = tmp_path / "jobs.jsonl", tmp_path / "out"
    jobs.write_text("\n".join(map(json.dumps, lines)))
    assert main(["paint", "--jobs", str(jobs), "--out", str(out)]) == ExitCode.DONE
    for number, folder in enumerate(folders):
        line = (out / str(number) / "recipes.jsonl").read_bytes()
        assert msgspec.json.decode(line, type=Recipe).model == folder


def test_a_job_of_a_file_cannot_name_a_model_that_is_not_loaded(
    folders: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --model, only those models are loaded."""
    jobs = tmp_path / "jobs.jsonl"
    jobs.write_text(json.dumps({"id": "a", "prompt": "a boat", "model": "other"}))
    options = ["--jobs", str(jobs), "--model", ",".join(folders), "--out", str(tmp_path / "out")]
    assert main(["paint", *options]) == ExitCode.FAILED
    assert "The model other is not loaded" in capsys.readouterr().err
