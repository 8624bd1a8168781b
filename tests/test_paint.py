"""The command `paint`: folders of pictures, grids and recipes."""

import itertools
import json
from pathlib import Path

import msgspec
import pytest
import torch
from PIL import Image, ImageDraw, ImageOps

from engine.__main__ import main
from engine.contract import Backend, Preprocessor, Recipe
from engine.core.capture import FILM_TOO_LARGE
from engine.errors import EngineError, ExitCode, InvalidJob
from engine.imaging import video
from engine.offline.job_file import JobSpec
from engine.offline.paint import paint
from tests import tiny_classifier, tiny_controls, tiny_model
from tests.engine_parts import (
    before_each_pass,
    job,
    load_engine_core,
    new_engine_core,
    painted_images,
    recipe,
    sketch,
)
from tests.samples import pixels_digest


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a tiny model."""
    return str(tiny_model.save(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="module")
def flagging(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a model whose safety checker flags everything."""
    folder = tmp_path_factory.mktemp("models") / "flagging"
    return str(tiny_model.save(folder, tiny_model.ALWAYS))


def recipes(folder: Path) -> list[Recipe]:
    """The recipes in this folder."""
    lines = (folder / "recipes.jsonl").read_text().splitlines()
    return [msgspec.json.decode(line, type=Recipe) for line in lines]


def test_paint_writes_a_folder(tiny: str, tmp_path: Path) -> None:
    """The folder has the pictures, their grid and their recipes."""
    options = ["--seed", "9", "--steps", "3", "--count", "3", "--sampler", "euler_a"]
    assert main(["paint", "a boat", *options, "--model", tiny, "--out", str(tmp_path)]) == 0
    names = {"0.png", "1.png", "2.png", "grid.png", "recipes.jsonl"}
    assert {file.name for file in tmp_path.iterdir()} == names
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.size == (128, 128)
    written = recipes(tmp_path)
    assert [recipe.seed for recipe in written] == [9, 10, 11]
    assert {recipe.prompt for recipe in written} == {"a boat"}


def test_paint_says_what_was_left_out(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the file, on the standard error."""
    options = ["--steps", "1", "--count", "1", "--model", tiny, "--out", str(tmp_path)]
    assert main(["paint", "a " * 180, *options]) == 0
    left_out = "The last 4 words of the prompt were left out: the model reads no more."
    assert f"{tmp_path / '0.png'}: {left_out}\n" in capsys.readouterr().err


def test_paint_writes_films(tiny: str, tmp_path: Path) -> None:
    """The film of the first picture has the name of the option, the others have numbers."""
    film = tmp_path / "steps.mp4"
    options = ["--steps", "3", "--count", "2", "--model", tiny, "--film", str(film)]
    assert main(["paint", "a boat", *options, "--out", str(tmp_path / "out")]) == 0
    for file in (film, tmp_path / "steps-1.mp4"):
        assert len(list(video.decode(file.read_bytes()))) > 4


def test_a_withheld_picture_leaves_no_film(flagging: str, tmp_path: Path) -> None:
    """A film of an earlier run is deleted, as its picture is."""
    film = tmp_path / "steps.mp4"
    film.write_bytes(b"old")
    options = ["--steps", "2", "--count", "1", "--model", flagging, "--film", str(film)]
    assert main(["paint", "a boat", *options, "--out", str(tmp_path)]) == 0
    assert not film.exists()


def test_a_film_that_fails_is_reported(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its picture is written, and a film of an earlier run is deleted."""
    monkeypatch.setattr("engine.core.capture.MAX_FILM_BYTES", 100)
    film = tmp_path / "steps.mp4"
    film.write_bytes(b"old")
    options = ["--steps", "2", "--count", "1", "--model", tiny, "--film", str(film)]
    assert main(["paint", "a boat", *options, "--out", str(tmp_path)]) == ExitCode.FAILED
    assert FILM_TOO_LARGE in capsys.readouterr().err
    assert not film.exists()
    assert (tmp_path / "0.png").exists() and (tmp_path / "recipes.jsonl").exists()


def test_a_film_that_cannot_be_written_is_reported(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names its file."""
    film = tmp_path / "missing" / "steps.mp4"
    options = ["--steps", "2", "--count", "1", "--model", tiny, "--film", str(film)]
    assert main(["paint", "a boat", *options, "--out", str(tmp_path)]) == ExitCode.FAILED
    assert f"{film} cannot be written to: No such file" in capsys.readouterr().err


def test_each_job_of_a_file_has_its_own_folder(tiny: str, tmp_path: Path) -> None:
    """The folder's name is the job's id, and other jobs do not change the pictures' bits."""
    sketch().save(tmp_path / "sketch.png")
    lines = [
        {"id": "plain", "prompt": "a boat", "seed": 1, "steps": 2, "count": 1},
        {
            "id": "sketched",
            "prompt": "a cat",
            "seed": 2,
            "steps": 4,
            "count": 2,
            "sketch": str(tmp_path / "sketch.png"),
            "strength": 0.5,
            "subseed": 3,
            "subseed_strength": 0.1,
        },
    ]
    jobs = tmp_path / "jobs.jsonl"
    jobs.write_text("\n".join(map(json.dumps, lines)))
    out = tmp_path / "out"
    assert main(["paint", "--jobs", str(jobs), "--model", tiny, "--out", str(out)]) == 0
    assert {file.name for file in (out / "sketched").iterdir()} == {
        "0.png",
        "1.png",
        "grid.png",
        "recipes.jsonl",
    }
    [plain] = recipes(out / "plain")
    core = load_engine_core(tiny)
    core.model.prove_backends()
    [alone] = painted_images(job(plain), core)
    assert pixels_digest((out / "plain" / "0.png").read_bytes()) == alone.sha256
    assert [recipe.subseeds[0].seed for recipe in recipes(out / "sketched")] == [3, 4]


def test_a_withheld_picture_is_not_written(
    flagging: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cell in the grid is blank, and standard error has the reason."""
    (tmp_path / "0.png").write_text("from an earlier run")
    options = ["--steps", "1", "--count", "2", "--model", flagging, "--out", str(tmp_path)]
    assert main(["paint", "a boat", *options]) == 0
    assert {file.name for file in tmp_path.iterdir()} == {"grid.png", "recipes.jsonl"}
    assert capsys.readouterr().err.count("withheld by the safety check") == 2


@pytest.mark.parametrize("where", ["option", "environment"])
def test_checkers_can_be_configured(
    flagging: str, tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other checkers replace the model's own, which would withhold the picture."""
    checker = str(tiny_classifier.save(tmp_path / "checker"))
    options = ["--steps", "1", "--count", "1", "--model", flagging, "--out", str(tmp_path)]
    if where == "option":
        options += ["--checkers", checker]
    else:
        monkeypatch.setenv("IMAGINE_CHECKERS", checker)
    assert main(["paint", "a boat", *options]) == 0
    assert (tmp_path / "0.png").exists()


@pytest.mark.parametrize(
    ("checkers", "exit_code", "reason"),
    [
        (",", ExitCode.USAGE, "names no checker"),
        ("model,./nowhere", ExitCode.MODEL_NOT_FOUND, "There is no checker ./nowhere"),
        ("{pets}", ExitCode.NO_SAFETY_CHECKER, "has the labels cat, dog"),
    ],
)
def test_an_unusable_checker_is_an_error(
    tiny: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    checkers: str,
    exit_code: ExitCode,
    reason: str,
) -> None:
    """No picture is painted."""
    pets = tiny_classifier.save(tmp_path / "pets", ("cat", "dog"))
    checkers = checkers.format(pets=pets)
    options = ["--model", tiny, "--checkers", checkers, "--out", str(tmp_path / "out")]
    assert main(["paint", "a boat", *options]) == exit_code
    assert reason in capsys.readouterr().err


def test_a_flagged_sketch_is_not_painted_over(
    flagging: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The job fails as it does on Discord."""
    sketch().save(tmp_path / "sketch.png")
    options = ["--sketch", str(tmp_path / "sketch.png"), "--model", flagging]
    out = tmp_path / "out"
    assert main(["paint", "a boat", *options, "--out", str(out)]) == ExitCode.FAILED
    assert "The sketch was withheld by the safety check." in capsys.readouterr().err
    assert list(out.iterdir()) == []


def test_a_failed_picture_does_not_affect_the_others(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other pictures are written, and the exit code reports the failure."""
    by = load_engine_core(tiny)
    decode, calls = by.model.decode_latents, itertools.count()

    def spoil(latents: torch.Tensor, backend: Backend = Backend.TORCH) -> Image.Image:
        if next(calls) == 1:
            raise InvalidJob("The numbers overflowed.")
        return decode(latents, backend)

    by.model.decode_latents = spoil  # type: ignore[method-assign]
    spec = JobSpec(id="one", prompt="a boat", steps=1, count=3)
    with pytest.raises(EngineError, match=r"could not be painted: 1\. The others were written"):
        paint([spec], tmp_path, [by.model], separate_folders=False)
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {"0.png", "2.png", "grid.png", "recipes.jsonl"}
    assert "1.png (seed" in capsys.readouterr().err


def test_a_failed_job_does_not_affect_the_others(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that cannot be written to does not either; both failures are reported."""
    by = load_engine_core(tiny)
    bad = by.model.encode_prompt(recipe(by, prompt="bad"))["encoder_hidden_states"][-1]

    def fail_if_bad(texts: torch.Tensor) -> None:
        if any(torch.equal(text, bad) for text in texts):
            raise RuntimeError("bad text")

    (tmp_path / "full" / "0.png").mkdir(parents=True)
    specs = [
        JobSpec(id=name, prompt=prompt, steps=steps, count=1)
        for name, prompt, steps in (
            ("first", "bad", 1),
            ("full", "a boat", 1),
            ("good", "a boat", 2),
            ("last", "a house", 9),
        )
    ]
    with before_each_pass(by, fail_if_bad), pytest.raises(EngineError) as failed:
        paint(specs, tmp_path, [by.model], separate_folders=True)
    reported = str(failed.value).splitlines()
    assert [line.split(":")[0] for line in reported] == ["Job first", "Job full"]
    assert "The engine failed (RuntimeError)" in reported[0]
    assert "cannot be written to" in reported[1]
    assert sorted(file.parent.name for file in tmp_path.rglob("grid.png")) == ["good", "last"]


def test_an_impossible_job_does_not_affect_the_others(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused with a sentence; nothing of it is written."""
    lines = [
        {"id": "steps", "prompt": "a boat", "sampler": "lcm", "steps": 60},
        {"id": "size", "prompt": "a boat", "width": 2048, "height": 2048},
        {"id": "good", "prompt": "a boat", "steps": 1, "count": 1},
    ]
    jobs, out = tmp_path / "jobs.jsonl", tmp_path / "out"
    jobs.write_text("\n".join(map(json.dumps, lines)))
    code = main(["paint", "--jobs", str(jobs), "--model", tiny, "--out", str(out)])
    assert code == ExitCode.FAILED
    reported = capsys.readouterr().err.splitlines()[-2:]
    assert [line.split(":")[0] for line in reported] == ["Job steps", "Job size"]
    assert [folder.name for folder in out.iterdir()] == ["good"]


def test_written_recipes_have_the_row_class_that_was_used(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the requested row class they would not reproduce the bits."""
    by = load_engine_core(tiny)
    monkeypatch.setattr(by.model, "is_batch_invariant", lambda *shape: shape[2] == 2)
    paint(
        [JobSpec(id="one", prompt="a boat", steps=3, count=4)],
        tmp_path,
        [by.model],
        separate_folders=False,
    )
    monkeypatch.undo()
    written = recipes(tmp_path)
    assert {recipe.row_class for recipe in written} == {2}
    repeated = painted_images(job(*written), new_engine_core(by.model))
    files = [pixels_digest((tmp_path / f"{nth}.png").read_bytes()) for nth in range(4)]
    assert [picture.sha256 for picture in repeated] == files


def test_an_impossible_folder_is_a_usage_error(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder is checked before the first picture is painted."""
    (tmp_path / "file").write_text("in the way")
    arguments = ["paint", "x", "--model", tiny, "--out", str(tmp_path / "file" / "out")]
    assert main(arguments) == ExitCode.USAGE
    assert "cannot be created" in capsys.readouterr().err.splitlines()[-1]


def test_paint_with_controls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control images are resized and cropped, and the recipes are painted again from the files."""
    model = tiny_model.save(tmp_path / "model")
    net = tiny_controls.save_control(tmp_path / "net", model)
    monkeypatch.setenv("IMAGINE_CONTROLS", f"depth={net}")
    files = tmp_path / "files"
    files.mkdir()
    for nth, size in enumerate([(64, 64), (150, 100)]):
        sketch(*size).transpose(Image.Transpose.ROTATE_90).save(files / f"{nth}.png")
    controls = [
        "--control",
        f"depth={files / '0.png'}:0.7",
        "--control",
        f"depth={files / '1.png'}",
    ]
    options = ["--model", str(model), "--out"]
    first = ["paint", "a boat", "--count", "2", "--steps", "3", *controls, *options]
    assert main([*first, str(tmp_path / "a")]) == 0
    written = recipes(tmp_path / "a")
    assert [control.scale for control in written[0].controls] == [0.7, 1.0]
    again = ["paint", "--recipes", str(tmp_path / "a" / "recipes.jsonl"), "--inputs", str(files)]
    assert main([*again, *options, str(tmp_path / "b")]) == 0
    for name in ("0.png", "1.png"):
        pngs = [(tmp_path / out / name).read_bytes() for out in ("a", "b")]
        assert pixels_digest(pngs[0]) == pixels_digest(pngs[1])


def test_paint_follows_the_lines_of_a_drawing(tmp_path: Path) -> None:
    """The engine finds them; an image with lines on black is used as it is. The recipes are painted
    again from the files."""
    files = tmp_path / "files"
    files.mkdir()
    drawing = Image.new("RGB", (200, 200), "white")
    ImageDraw.Draw(drawing).ellipse((40, 60, 160, 180), outline="black", width=6)
    drawing.save(files / "drawing.png")
    ImageOps.invert(drawing).resize((128, 128)).save(files / "lines.png")
    options = ["--model", "starter", "--seed", "3", "--steps", "4", "--count", "1", "--out"]
    found = []
    for name in ("drawing", "lines"):
        out = tmp_path / name
        control = ["--control", f"scribble={files / name}.png"]
        assert main(["paint", "a red tree", *control, *options, str(out)]) == 0
        found += [control.preprocessor for control in recipes(out)[0].controls]
        again = ["--recipes", str(out / "recipes.jsonl"), "--inputs", str(files)]
        assert main(["paint", *again, *options[:2], "--out", str(out / "again")]) == 0
        pngs = [(folder / "0.png").read_bytes() for folder in (out, out / "again")]
        assert pixels_digest(pngs[0]) == pixels_digest(pngs[1])
    assert found == [Preprocessor.SCRIBBLE, Preprocessor.NONE]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("depth=a.png", "has no control “depth” here. It has none."),
        ("depth", "must be KIND=FILE or KIND=FILE:SCALE"),
        ("depth=b.png", "cannot be read"),
        ("depth=a.png:nan", "it must be a number"),
    ],
)
def test_paint_refuses_a_control(
    tiny: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    value: str,
    message: str,
) -> None:
    """One that the model lacks, or that has no file, with one sentence."""
    monkeypatch.chdir(tmp_path)
    sketch().save("a.png")
    options = ["--model", tiny, "--out", "out"]
    assert main(["paint", "a boat", "--control", value, *options]) == ExitCode.USAGE
    assert message in capsys.readouterr().err
