"""The command `paint` with masks and edits, and what its recipes repeat."""

from pathlib import Path
from typing import Any

import msgspec
import numpy
import pytest
from PIL import Image

from engine.__main__ import main
from engine.contract import Edit, Inpaint, Recipe
from engine.errors import ExitCode, UsageError
from engine.offline.job_file import JobSpec, to_command
from tests import tiny_model
from tests.engine_parts import engine_core, sketch
from tests.test_edit import editor
from tests.test_inpaint import mask


@pytest.fixture
def sketch_file(tmp_path: Path) -> str:
    """A sketch of twice the native size."""
    sketch(128, 128).save(tmp_path / "sketch.png")
    return str(tmp_path / "sketch.png")


def pixels(file: Path) -> Any:  # noqa: ANN401 - an array
    """The levels of an image."""
    with Image.open(file) as image:
        return numpy.asarray(image.convert("RGB")).astype(int)


def only_recipe(folder: Path) -> Recipe:
    """The recipe in this folder."""
    [line] = (folder / "recipes.jsonl").read_text().splitlines()
    return msgspec.json.decode(line, type=Recipe)


def test_paint_repaints_the_white_parts(tmp_path: Path, sketch_file: str) -> None:
    """The recipe repeats them, given the same files."""
    model = str(tiny_model.save(tmp_path / "tiny"))
    mask(128, 128).save(tmp_path / "mask.png")
    options = ["--sketch", sketch_file, "--mask", str(tmp_path / "mask.png"), "--strength", "0.9"]
    options += ["--seed", "3", "--count", "1", "--steps", "4", "--model", model]
    out, again = tmp_path / "out", tmp_path / "again"
    assert main(["paint", "a boat", *options, "--out", str(out)]) == 0
    run = only_recipe(out)
    assert isinstance(run.source, Inpaint)
    assert run.strength == 0.9
    small = sketch(128, 128).resize((64, 64), Image.Resampling.LANCZOS)
    kept = numpy.asarray(mask(128, 128).resize((64, 64), Image.Resampling.BILINEAR)) == 0
    painted, original = pixels(out / "0.png"), numpy.asarray(small).astype(int)
    assert (painted == original)[kept].all()
    assert abs(painted - original)[~kept].max() > 20
    repeat = ["--recipes", str(out / "recipes.jsonl"), "--inputs", str(tmp_path)]
    assert main(["paint", *repeat, "--model", model, "--out", str(again)]) == 0
    assert (pixels(again / "0.png") == painted).all()


def test_paint_edits(tmp_path: Path, sketch_file: str) -> None:
    """The image guidance has a default; the prompt is the instruction."""
    model = str(tiny_model.save(tmp_path / "edit", unet={"in_channels": 8}))
    options = ["--sketch", sketch_file, "--edit", "--seed", "3", "--count", "1", "--steps", "3"]
    for name, more in (("default", []), ("strong", ["--image-guidance", "4"])):
        arguments = ["paint", "make it night", *options, *more, "--model", model]
        assert main([*arguments, "--out", str(tmp_path / name)]) == 0
    default, strong = only_recipe(tmp_path / "default"), only_recipe(tmp_path / "strong")
    assert isinstance(default.source, Edit)
    assert isinstance(strong.source, Edit)
    assert (default.source.image_guidance, strong.source.image_guidance) == (1.5, 4.0)
    assert (default.rows, default.row_class) == (3, 4)
    assert (pixels(tmp_path / "default/0.png") != pixels(tmp_path / "strong/0.png")).any()
    repeat = ["--recipes", str(tmp_path / "strong/recipes.jsonl"), "--inputs", str(tmp_path)]
    assert main(["paint", *repeat, "--model", model, "--out", str(tmp_path / "again")]) == 0
    assert (pixels(tmp_path / "again/0.png") == pixels(tmp_path / "strong/0.png")).all()


def test_transparent_parts_of_a_mask_are_painted(tmp_path: Path, sketch_file: str) -> None:
    """Whatever colours the others have."""
    rgba = sketch(128, 128).convert("RGBA")
    rgba.putalpha(mask(128, 128).point(lambda level: 255 - level))
    rgba.save(tmp_path / "rgba.png")
    mask(128, 128).save(tmp_path / "mask.png")
    card = engine_core().model.card
    commands = [
        to_command(
            JobSpec(id="a", prompt="a", seed=1, sketch=sketch_file, mask=str(tmp_path / name)),
            [card],
        )
        for name in ("rgba.png", "mask.png")
    ]
    assert commands[0].paint.inputs == commands[1].paint.inputs


def test_an_empty_mask_is_a_usage_error(
    tmp_path: Path, sketch_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence says so, before anything is painted."""
    Image.new("L", (64, 64)).save(tmp_path / "mask.png")
    model = str(tiny_model.save(tmp_path / "tiny"))
    options = ["--sketch", sketch_file, "--mask", str(tmp_path / "mask.png"), "--model", model]
    code = main(["paint", "a boat", *options, "--out", str(tmp_path / "out")])
    assert code == ExitCode.USAGE
    assert "The mask is empty: make the parts white that are to be painted." in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"mask": "a.png"}, "need a sketch"),
        ({"edit": True}, "need a sketch"),
        ({"sketch": "a.png", "mask": "a.png", "edit": True}, "give it no mask"),
        ({"sketch": "a.png", "image_guidance": 2.0}, "is that of an edit"),
        ({"sketch": "a.png", "edit": True, "strength": 0.5}, "and no strength"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    fields: dict[str, Any], reason: str
) -> None:
    """Before a model is loaded."""
    with pytest.raises(ValueError, match=reason):
        JobSpec(id="a", prompt="a", **fields)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "edits pictures by instructions, and does nothing else"),
        ({"edit": True, "image_guidance": 31.0}, "image guidance is 31; it must be 0 to 30"),
        ({"edit": True, "image_guidance": float("nan")}, "image guidance is nan"),
    ],
)
def test_what_an_editor_cannot_do_is_a_usage_error(
    sketch_file: str, fields: dict[str, Any], reason: str
) -> None:
    """It is given a sketch."""
    with pytest.raises(UsageError, match=reason):
        to_command(JobSpec(id="a", prompt="a", sketch=sketch_file, **fields), [editor().model.card])
