"""The command line, as the bot and people start it: real processes, real exit codes."""

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
from engine.offline.job_file import Order
from engine.offline.paint import paint
from engine.server.socket_server import bind
from tests import tiny_classifier, tiny_model
from tests.engine_parts import at_work, job, loaded, paintings, predicting, recipe, sketch

ENGINE = [sys.executable, "-m", "engine"]
STARTED_WITHIN = 90.0


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model's folder."""
    return str(tiny_model.save(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="module")
def flagging(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model's folder whose safety checker flags everything."""
    folder = tmp_path_factory.mktemp("models") / "flagging"
    return str(tiny_model.save(folder, tiny_model.ALWAYS))


def recipes(folder: Path) -> list[Recipe]:
    """What was painted into this folder."""
    lines = (folder / "recipes.jsonl").read_text().splitlines()
    return [msgspec.json.decode(line, type=Recipe) for line in lines]


def test_paint_fills_a_folder(tiny: str, tmp_path: Path) -> None:
    """Pictures, their grid, and the recipe of each, which paints it again."""
    options = ["--seed", "9", "--steps", "3", "--count", "3", "--sampler", "euler_a"]
    assert main(["paint", "a boat", *options, "--model", tiny, "--out", str(tmp_path)]) == 0
    names = {"0.png", "1.png", "2.png", "grid.png", "recipes.jsonl"}
    assert {file.name for file in tmp_path.iterdir()} == names
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.size == (128, 128)
    made = recipes(tmp_path)
    assert [recipe.seed for recipe in made] == [9, 10, 11]
    assert {recipe.prompt for recipe in made} == {"a boat"}


def test_jobs_of_a_file_have_folders(tiny: str, tmp_path: Path) -> None:
    """One for each line, named by its id; files of other jobs change no bits."""
    sketch().save(tmp_path / "sketch.png")
    lines = [
        {"id": "plain", "prompt": "a boat", "seed": 1, "steps": 2, "count": 1},
        {
            "id": "drawn",
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
    assert {file.name for file in (out / "drawn").iterdir()} == {
        "0.png",
        "1.png",
        "grid.png",
        "recipes.jsonl",
    }
    [plain] = recipes(out / "plain")
    [again] = paintings(job(plain), loaded(tiny))
    assert sha256((out / "plain" / "0.png").read_bytes()) == again.sha256
    assert [recipe.subseed for recipe in recipes(out / "drawn")] == [3, 4]


def test_a_blocked_picture_is_not_written(
    flagging: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its cell in the grid is a blank, and standard error says so."""
    (tmp_path / "0.png").write_text("of an earlier run")
    options = ["--steps", "1", "--count", "2", "--model", flagging, "--out", str(tmp_path)]
    assert main(["paint", "a boat", *options]) == 0
    assert {file.name for file in tmp_path.iterdir()} == {"grid.png", "recipes.jsonl"}
    assert capsys.readouterr().err.count("withheld by the safety check") == 2


@pytest.mark.parametrize("told", ["option", "environment"])
def test_other_checkers_may_be_chosen(
    flagging: str, tmp_path: Path, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instead of the model's own, which would have withheld the picture."""
    checker = str(tiny_classifier.save(tmp_path / "checker"))
    options = ["--steps", "1", "--count", "1", "--model", flagging, "--out", str(tmp_path)]
    if told == "option":
        options += ["--checkers", checker]
    else:
        monkeypatch.setenv("IMAGINE_CHECKERS", checker)
    assert main(["paint", "a boat", *options]) == 0
    assert (tmp_path / "0.png").exists()


@pytest.mark.parametrize(
    ("checkers", "exit", "said"),
    [
        (",", ExitCode.USAGE, "names no checker"),
        ("model,./nowhere", ExitCode.MODEL_NOT_FOUND, "There is no checker ./nowhere"),
        ("{pets}", ExitCode.NO_SAFETY_CHECKER, "has the labels cat, dog"),
    ],
)
def test_a_checker_that_cannot_be_had_ends_the_engine(
    tiny: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    checkers: str,
    exit: ExitCode,
    said: str,
) -> None:
    """Before it paints anything."""
    pets = tiny_classifier.save(tmp_path / "pets", ("cat", "dog"))
    checkers = checkers.format(pets=pets)
    options = ["--model", tiny, "--checkers", checkers, "--out", str(tmp_path / "out")]
    assert main(["paint", "a boat", *options]) == exit
    assert said in capsys.readouterr().err


def test_a_flagged_sketch_is_not_painted_over(
    flagging: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As for people on Discord."""
    sketch().save(tmp_path / "sketch.png")
    options = ["--sketch", str(tmp_path / "sketch.png"), "--model", flagging]
    out = tmp_path / "out"
    assert main(["paint", "a boat", *options, "--out", str(out)]) == ExitCode.FAILED
    assert "The sketch was withheld by the safety check." in capsys.readouterr().err
    assert list(out.iterdir()) == []


def test_a_picture_that_fails_takes_no_other_with_it(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are written, and the exit code says that not all are there."""
    by = loaded(tiny)
    decode, asked = by.model.decode, itertools.count()

    def spoil(latents: torch.Tensor) -> Image.Image:
        if next(asked) == 1:
            raise InvalidJob("The numbers overflowed.")
        return decode(latents)

    by.model.decode = spoil  # type: ignore[method-assign]
    with pytest.raises(EngineError, match="could not be painted: 1; the others are there"):
        paint([Order(id="one", prompt="a boat", steps=1, count=3)], tmp_path, by, apart=False)
    there = {file.name for file in tmp_path.iterdir()}
    assert there == {"0.png", "2.png", "grid.png", "recipes.jsonl"}
    assert "1.png (seed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["paint", "x"], "--out"),
        (["paint", "--out", "o"], "a prompt, or --jobs"),
        (["paint", "x", "--out", "o", "--steps", "many"], "invalid int value"),
        (["paint", "x", "--out", "o", "--sampler", "best"], "'best'; it must be pndm"),
        (["paint", "x", "--out", "o", "--count", "9"], "count is 9"),
        (["paint", "x", "--out", "o", "--jobs", "j"], "belongs into the file's lines"),
        (["paint", "--out", "o", "--jobs", "nowhere"], "cannot be read"),
        (["paint", "x", "--out", "o", "--strength", "0.5"], "goes with a sketch"),
        (["serve", "--port", "99999"], "0 to 65535"),
        (["dance"], "invalid choice"),
        ([], "required"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And its own exit code; nothing has been loaded yet."""
    assert main(arguments) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--height", "9000"], "height is 9000"),
        (["--width", "100"], "width is 100"),
        (["--guidance", "nan"], "guidance is nan"),
        (["--sketch", __file__], "no picture"),
    ],
)
def test_a_wrong_value_is_one_sentence(
    tiny: str, tmp_path: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the model has a say."""
    arguments = ["paint", "x", *options, "--model", tiny, "--out", str(tmp_path / "out")]
    assert main(arguments) == ExitCode.USAGE
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_missing_model_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it was named on the command line or in the environment."""
    monkeypatch.setenv("IMAGINE_MODEL", "/nowhere/at/all")
    assert main(["paint", "x", "--out", str(tmp_path)]) == ExitCode.MODEL_NOT_FOUND
    assert main(["paint", "x", "--out", str(tmp_path), "--model", str(tmp_path)]) == 5
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_job_that_fails_takes_no_other_with_it(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor does a folder that cannot be written to; each is said to have failed."""
    by = loaded(tiny)
    bad = by.model.words(recipe(by, prompt="bad"))["encoder_hidden_states"][-1]

    def spoil(texts: torch.Tensor) -> None:
        if any(torch.equal(text, bad) for text in texts):
            raise RuntimeError("spoilt")

    (tmp_path / "full" / "0.png").mkdir(parents=True)
    wanted = [
        Order(id=name, prompt=prompt, steps=steps, count=1)
        for name, prompt, steps in (
            ("first", "bad", 1),
            ("full", "a boat", 1),
            ("good", "a boat", 2),
            ("last", "a house", 9),
        )
    ]
    with predicting(by, spoil), pytest.raises(EngineError) as failed:
        paint(wanted, tmp_path, by, apart=True)
    told = str(failed.value).splitlines()
    assert [line.split(":")[0] for line in told] == ["Job first", "Job full"]
    assert "made a mistake (RuntimeError)" in told[0]
    assert "cannot be written to" in told[1]
    assert sorted(file.parent.name for file in tmp_path.rglob("grid.png")) == ["good", "last"]


def test_recipes_say_how_they_were_painted(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not how that was wanted, or they would not paint the same bits again."""
    by = loaded(tiny)
    monkeypatch.setattr(by.model, "exact", lambda width, height, rows: rows == 2)
    paint([Order(id="one", prompt="a boat", steps=3, count=4)], tmp_path, by, apart=False)
    monkeypatch.undo()
    made = recipes(tmp_path)
    assert {recipe.row_class for recipe in made} == {2}
    found = paintings(job(*made), at_work(by.model))
    files = [sha256((tmp_path / f"{nth}.png").read_bytes()) for nth in range(4)]
    assert [each.sha256 for each in found] == files


def test_a_job_that_cannot_be_painted_is_one_sentence(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a sampler cannot do is found before the first step."""
    options = ["--sampler", "lcm", "--steps", "60", "--model", tiny, "--out", str(tmp_path)]
    assert main(["paint", "x", *options]) == ExitCode.USAGE
    assert "lcm cannot take 60 steps" in capsys.readouterr().err


def test_a_taken_port_is_one_sentence(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is found before the model is loaded."""
    with bind(0) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--port", port, "--model", tiny]) == ExitCode.PORT_IN_USE
    assert port in capsys.readouterr().err


def test_help_needs_no_torch() -> None:
    """It is there at once."""
    check = "import sys, engine.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_without_torch_the_engine_says_what_to_install(tmp_path: Path) -> None:
    """Not everybody who has the bot has the engine's packages."""
    check = "import sys; sys.modules['torch'] = None; from engine.__main__ import main; "
    paint = f"sys.exit(main(['paint', 'x', '--out', {str(tmp_path)!r}]))"
    done = subprocess.run(
        [sys.executable, "-c", check + paint], check=False, capture_output=True, text=True
    )
    assert done.returncode == ExitCode.MISSING_DEPENDENCY
    assert done.stderr.splitlines()[-1].startswith("The engine needs the package torch")


@asynccontextmanager
async def serving(
    tiny: str, *options: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """An engine's process and its port."""
    process = await asyncio.create_subprocess_exec(
        *ENGINE,
        "serve",
        "--model",
        tiny,
        *options,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"IMAGINE_ENGINE_TOKEN": "between us"},
    )
    try:
        if process.stdout is None:
            raise RuntimeError("no pipe")
        line = await asyncio.wait_for(process.stdout.readline(), STARTED_WITHIN)
        address, port = line.decode().strip().rsplit(":", 1)
        assert address == "listening on 127.0.0.1"
        yield process, int(port)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def friend(port: int) -> AsyncIterator[tuple[Connection[Event], ModelCard]]:
    """A connection that has been let in, and the engine's model."""
    async with bot_side(*await asyncio.open_connection("127.0.0.1", port)) as events:
        await events.send(Hello("between us"))
        ready = await events.receive()
        assert isinstance(ready, Ready)
        yield events, ready.model


def of(card: ModelCard, steps: int, seed: int = 4) -> Recipe:
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


async def test_the_engine_serves_until_its_parent_is_gone(tiny: str) -> None:
    """It paints what the bot asks for, and never outlives it."""
    async with serving(tiny, "--parent") as (process, port):
        async with friend(port) as (events, card):
            await events.send(job(of(card, steps=2)))
            while not isinstance(event := await events.receive(), Painted):
                assert event is not None
            assert sha256(event.pictures[0].png) == event.pictures[0].sha256
        if process.stdin is None:
            raise RuntimeError("no pipe")
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 20) == ExitCode.DONE


@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes without asking them")
async def test_a_signal_ends_the_engine_cleanly(tiny: str) -> None:
    """Also in the middle of a job."""
    async with serving(tiny) as (process, port), friend(port) as (events, card):
        await events.send(job(of(card, steps=150), of(card, steps=150, seed=1)))
        while not isinstance(await events.receive(), Stepped):
            pass
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == ExitCode.DONE


BUSY = """
import threading, torch
from engine.__main__ import _begin_log
from engine.core.process import leave

def work():
    numbers = torch.ones(2000, 2000)
    while True:
        numbers = (numbers @ numbers).clamp(0, 1)

_begin_log()
if {busy}:
    threading.Thread(target=work, name="painter", daemon=True).start()
leave(9)
"""


@pytest.mark.parametrize("busy", [True, False])
def test_the_process_ends_whatever_is_under_way(busy: bool) -> None:
    """With its own exit code: not with a crash of torch, below which Python is taken away."""
    done = subprocess.run(
        [sys.executable, "-c", BUSY.format(busy=busy)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == ExitCode.DEVICE_LOST
    assert ("left in the middle of work: painter" in done.stderr) is busy
    assert len(done.stderr.splitlines()) == int(busy)


def test_a_folder_that_cannot_be_is_one_sentence(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is found before anything is painted."""
    (tmp_path / "file").write_text("in the way")
    arguments = ["paint", "x", "--model", tiny, "--out", str(tmp_path / "file" / "out")]
    assert main(arguments) == ExitCode.USAGE
    assert "cannot be made" in capsys.readouterr().err.splitlines()[-1]
