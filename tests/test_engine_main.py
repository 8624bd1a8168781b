"""The command line of the engine: real processes and exit codes."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import torch
from PIL import Image

from engine.__main__ import main
from engine.contract import Event, Hello, ModelCard, Painted, Ready, Recipe, Stepped
from engine.contract.wire import Connection, bot_side
from engine.errors import EngineError, ExitCode, InvalidJob
from engine.imaging.encode import sha256
from engine.offline.job_file import JobSpec
from engine.offline.paint import paint
from engine.server.socket_server import bind
from tests import tiny_classifier, tiny_model
from tests.engine_parts import at_work, job, loaded, paintings, predicting, recipe, sketch

ENGINE = [sys.executable, "-m", "engine"]
START_TIMEOUT = 90.0


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
    """The recipes of the pictures in this folder."""
    lines = (folder / "recipes.jsonl").read_text().splitlines()
    return [msgspec.json.decode(line, type=Recipe) for line in lines]


def test_paint_writes_a_folder(tiny: str, tmp_path: Path) -> None:
    """Pictures, their grid and their recipes."""
    options = ["--seed", "9", "--steps", "3", "--count", "3", "--sampler", "euler_a"]
    assert main(["paint", "a boat", *options, "--model", tiny, "--out", str(tmp_path)]) == 0
    names = {"0.png", "1.png", "2.png", "grid.png", "recipes.jsonl"}
    assert {file.name for file in tmp_path.iterdir()} == names
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.size == (128, 128)
    written = recipes(tmp_path)
    assert [recipe.seed for recipe in written] == [9, 10, 11]
    assert {recipe.prompt for recipe in written} == {"a boat"}


def test_each_job_of_a_file_has_its_own_folder(tiny: str, tmp_path: Path) -> None:
    """Named by its id. The other jobs do not change its bits."""
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
    [alone] = paintings(job(plain), loaded(tiny))
    assert sha256((out / "plain" / "0.png").read_bytes()) == alone.sha256
    assert [recipe.subseed for recipe in recipes(out / "sketched")] == [3, 4]


def test_a_withheld_picture_is_not_written(
    flagging: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its cell in the grid is blank, and standard error has the reason."""
    (tmp_path / "0.png").write_text("from an earlier run")
    options = ["--steps", "1", "--count", "2", "--model", flagging, "--out", str(tmp_path)]
    assert main(["paint", "a boat", *options]) == 0
    assert {file.name for file in tmp_path.iterdir()} == {"grid.png", "recipes.jsonl"}
    assert capsys.readouterr().err.count("withheld by the safety check") == 2


@pytest.mark.parametrize("where", ["option", "environment"])
def test_checkers_can_be_configured(
    flagging: str, tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They replace the model's own checker, which would withhold the picture."""
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
    """Nothing is painted."""
    pets = tiny_classifier.save(tmp_path / "pets", ("cat", "dog"))
    checkers = checkers.format(pets=pets)
    options = ["--model", tiny, "--checkers", checkers, "--out", str(tmp_path / "out")]
    assert main(["paint", "a boat", *options]) == exit_code
    assert reason in capsys.readouterr().err


def test_a_flagged_sketch_is_not_painted_over(
    flagging: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The job fails, as on Discord."""
    sketch().save(tmp_path / "sketch.png")
    options = ["--sketch", str(tmp_path / "sketch.png"), "--model", flagging]
    out = tmp_path / "out"
    assert main(["paint", "a boat", *options, "--out", str(out)]) == ExitCode.FAILED
    assert "The sketch was withheld by the safety check." in capsys.readouterr().err
    assert list(out.iterdir()) == []


def test_a_failed_picture_does_not_affect_the_others(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are written, and the exit code reports the failure."""
    by = loaded(tiny)
    decode, calls = by.model.decode, itertools.count()

    def spoil(latents: torch.Tensor) -> Image.Image:
        if next(calls) == 1:
            raise InvalidJob("The numbers overflowed.")
        return decode(latents)

    by.model.decode = spoil  # type: ignore[method-assign]
    spec = JobSpec(id="one", prompt="a boat", steps=1, count=3)
    with pytest.raises(EngineError, match="could not be painted: 1; the others are there"):
        paint([spec], tmp_path, by, separate_folders=False)
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {"0.png", "2.png", "grid.png", "recipes.jsonl"}
    assert "1.png (seed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["paint", "x"], "--out"),
        (["paint", "--out", "o"], "a prompt, or --jobs"),
        (["paint", "x", "--out", "o", "--steps", "many"], "invalid int value"),
        (["paint", "x", "--out", "o", "--sampler", "best"], "'best'; it must be pndm"),
        (["paint", "x", "--out", "o", "--count", "9"], "count is 9"),
        (["paint", "x", "--out", "o", "--jobs", "j"], "belongs in the lines of the file"),
        (["paint", "--out", "o", "--jobs", "nowhere"], "cannot be read"),
        (["paint", "x", "--out", "o", "--strength", "0.5"], "goes with a sketch"),
        (["serve", "--port", "99999"], "0 to 65535"),
        (["dance"], "invalid choice"),
        ([], "required"),
    ],
)
def test_an_invalid_option_is_a_usage_error(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is reported in one line, before anything is loaded."""
    assert main(arguments) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert reason in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--height", "9000"], "height is 9000"),
        (["--width", "100"], "width is 100"),
        (["--guidance", "nan"], "guidance is nan"),
        (["--sketch", __file__], "no picture"),
    ],
)
def test_an_invalid_value_is_a_usage_error(
    tiny: str, tmp_path: Path, options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the limit depends on the model."""
    arguments = ["paint", "x", *options, "--model", tiny, "--out", str(tmp_path / "out")]
    assert main(arguments) == ExitCode.USAGE
    assert reason in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_missing_model_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its name is an option or in the environment."""
    monkeypatch.setenv("IMAGINE_MODEL", "/nowhere/at/all")
    assert main(["paint", "x", "--out", str(tmp_path)]) == ExitCode.MODEL_NOT_FOUND
    assert main(["paint", "x", "--out", str(tmp_path), "--model", str(tmp_path)]) == 5
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_failed_job_does_not_affect_the_others(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor does a folder that cannot be written to; both failures are reported."""
    by = loaded(tiny)
    bad = by.model.words(recipe(by, prompt="bad"))["encoder_hidden_states"][-1]

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
    with predicting(by, fail_if_bad), pytest.raises(EngineError) as failed:
        paint(specs, tmp_path, by, separate_folders=True)
    reported = str(failed.value).splitlines()
    assert [line.split(":")[0] for line in reported] == ["Job first", "Job full"]
    assert "made a mistake (RuntimeError)" in reported[0]
    assert "cannot be written to" in reported[1]
    assert sorted(file.parent.name for file in tmp_path.rglob("grid.png")) == ["good", "last"]


def test_written_recipes_have_the_row_class_that_was_used(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the requested one they would not reproduce the same bits."""
    by = loaded(tiny)
    monkeypatch.setattr(by.model, "exact", lambda width, height, rows: rows == 2)
    paint(
        [JobSpec(id="one", prompt="a boat", steps=3, count=4)], tmp_path, by, separate_folders=False
    )
    monkeypatch.undo()
    written = recipes(tmp_path)
    assert {recipe.row_class for recipe in written} == {2}
    repeated = paintings(job(*written), at_work(by.model))
    files = [sha256((tmp_path / f"{nth}.png").read_bytes()) for nth in range(4)]
    assert [picture.sha256 for picture in repeated] == files


def test_an_invalid_job_is_a_usage_error(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The limits of samplers are checked before the first step."""
    options = ["--sampler", "lcm", "--steps", "60", "--model", tiny, "--out", str(tmp_path)]
    assert main(["paint", "x", *options]) == ExitCode.USAGE
    assert "lcm cannot take 60 steps" in capsys.readouterr().err


def test_a_used_port_is_an_error(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is detected before the model is loaded."""
    with bind(0) as listener:
        port = str(listener.getsockname()[1])
        assert main(["serve", "--port", port, "--model", tiny]) == ExitCode.PORT_IN_USE
    assert port in capsys.readouterr().err


def test_help_needs_no_torch() -> None:
    """It is fast."""
    check = "import sys, engine.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_missing_package_is_an_error(tmp_path: Path) -> None:
    """The sentence names the package and how to install it."""
    check = "import sys; sys.modules['torch'] = None; from engine.__main__ import main; "
    paint = f"sys.exit(main(['paint', 'x', '--out', {str(tmp_path)!r}]))"
    process = subprocess.run(
        [sys.executable, "-c", check + paint], check=False, capture_output=True, text=True
    )
    assert process.returncode == ExitCode.MISSING_DEPENDENCY
    assert process.stderr.splitlines()[-1].startswith("The engine needs the package torch")


@asynccontextmanager
async def serving(
    tiny: str, *options: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """An engine process and its port."""
    process = await asyncio.create_subprocess_exec(
        *ENGINE,
        "serve",
        "--model",
        tiny,
        *options,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"IMAGINE_ENGINE_TOKEN": "token"},
    )
    try:
        if process.stdout is None:
            raise RuntimeError("no pipe")
        line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT)
        address, port = line.decode().strip().rsplit(":", 1)
        assert address == "listening on 127.0.0.1"
        yield process, int(port)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[Connection[Event], ModelCard]]:
    """An authenticated connection, and the engine's model card."""
    async with bot_side(*await asyncio.open_connection("127.0.0.1", port)) as events:
        await events.send(Hello("token"))
        ready = await events.receive()
        assert isinstance(ready, Ready)
        yield events, ready.model


def recipe_for(card: ModelCard, steps: int, seed: int = 4) -> Recipe:
    """A recipe for this model."""
    return Recipe(
        model=card.name,
        revision=card.revision,
        prompt="a boat",
        seed=seed,
        steps=steps,
        guidance=3.0,
        sampler=card.sampler,
        width=card.native_size,
        height=card.native_size,
        row_class=2,
    )


async def test_the_engine_exits_with_its_parent(tiny: str) -> None:
    """It serves jobs until standard input is closed."""
    async with serving(tiny, "--parent") as (process, port):
        async with connected(port) as (events, card):
            await events.send(job(recipe_for(card, steps=2)))
            while not isinstance(event := await events.receive(), Painted):
                assert event is not None
            assert sha256(event.pictures[0].png) == event.pictures[0].sha256
        if process.stdin is None:
            raise RuntimeError("no pipe")
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 20) == ExitCode.DONE


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM handlers")
async def test_a_signal_stops_the_engine_cleanly(tiny: str) -> None:
    """Also while a job runs."""
    async with serving(tiny) as (process, port), connected(port) as (events, card):
        await events.send(job(recipe_for(card, steps=150), recipe_for(card, steps=150, seed=1)))
        while not isinstance(await events.receive(), Stepped):
            pass
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == ExitCode.DONE


BUSY = """
import threading, torch
from engine.__main__ import _configure_log
from engine.core.process import leave

def work():
    numbers = torch.ones(2000, 2000)
    while True:
        numbers = (numbers @ numbers).clamp(0, 1)

_configure_log()
if {busy}:
    threading.Thread(target=work, name="painter", daemon=True).start()
leave(9)
"""


@pytest.mark.parametrize("busy", [True, False])
def test_the_process_exits_during_a_forward_pass(busy: bool) -> None:
    """With its own exit code: a normal exit would crash torch in the other thread."""
    process = subprocess.run(
        [sys.executable, "-c", BUSY.format(busy=busy)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode == ExitCode.DEVICE_LOST
    assert ("left in the middle of work: painter" in process.stderr) is busy
    assert len(process.stderr.splitlines()) == int(busy)


def test_an_impossible_folder_is_a_usage_error(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is detected before anything is painted."""
    (tmp_path / "file").write_text("in the way")
    arguments = ["paint", "x", "--model", tiny, "--out", str(tmp_path / "file" / "out")]
    assert main(arguments) == ExitCode.USAGE
    assert "cannot be created" in capsys.readouterr().err.splitlines()[-1]
