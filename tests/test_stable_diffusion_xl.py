"""The second family paints what diffusers' own pipelines paint, by the same loop."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from engine.contract import Recipe, Sampler
from engine.core.engine_core import Painter
from engine.device import select_device
from engine.errors import ModelCorrupt, NoSafetyChecker
from engine.imaging.encode import png, sha256
from engine.models import registry
from tests import tiny_model
from tests.engine_parts import job, loaded, paintings, pictures, recipe, sketch
from tests.test_samplers import assert_alike, of_diffusers


@cache
def painter() -> Painter:
    """With a tiny SDXL."""
    with TemporaryDirectory() as place:
        return loaded(str(tiny_model.save_xl(Path(place) / "tiny-xl")))


def wanted(**changes: Any) -> Recipe:  # noqa: ANN401 - any of a recipe's fields
    """A quick recipe for it."""
    return recipe(painter(), **changes)


@pytest.mark.parametrize("sampler", [Sampler.EULER, Sampler.DPMPP_2M, Sampler.EULER_A])
@pytest.mark.parametrize("guidance", [1.0, 6.0])
@pytest.mark.parametrize("negative", ["", "blue"])
def test_a_picture_is_what_the_pipeline_paints(
    sampler: Sampler, guidance: float, negative: str
) -> None:
    """No negative prompt is not the same as an empty one."""
    asked = wanted(sampler=sampler, guidance=guidance, negative=negative, steps=5, height=96)
    assert_alike(pictures(job(asked), painter())[0], of_diffusers(asked, by=painter()))


@pytest.mark.parametrize("strength", [0.4, 1.0])
def test_a_painted_sketch_is_what_the_pipeline_paints(strength: float) -> None:
    """From a sketch."""
    source = sketch()
    data = png(source)
    asked = wanted(steps=5, source=sha256(data), strength=strength)
    ours = pictures(job(asked, source=data), painter())[0]
    assert_alike(ours, of_diffusers(asked, source, painter()))


def test_company_changes_no_bit() -> None:
    """With prompt and without share their batches, whatever their words."""
    asked = [wanted(row_class=8, seed=n, guidance=1.0 if n == 2 else 5.0) for n in range(4)]
    alone = [paintings(job(each), painter())[0].sha256 for each in asked]
    assert [each.sha256 for each in paintings(job(*asked), painter())] == alone


def test_its_pictures_are_checked(tmp_path: Path) -> None:
    """By the checker that lies beside it."""
    by = loaded(str(tiny_model.save_xl(tmp_path / "tiny-xl", tiny_model.ALWAYS)))
    assert paintings(job(recipe(by)), by)[0].withheld


def test_without_a_checker_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is none on the hub either."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    folder = tiny_model.save_xl(tmp_path / "tiny-xl")
    shutil.rmtree(folder / "safety_checker")
    with pytest.raises(NoSafetyChecker, match="another could not be downloaded"):
        registry.load(str(folder), select_device())


def test_a_damaged_checker_is_said(tmp_path: Path) -> None:
    """It is nothing to do without."""
    folder = tiny_model.save_xl(tmp_path / "tiny-xl")
    (folder / "safety_checker" / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelCorrupt, match="damaged"):
        registry.load(str(folder), select_device())
