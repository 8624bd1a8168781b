"""The command line of the engine, with real processes and exit codes."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.contract import (
    Completed,
    Event,
    Hello,
    ImageDone,
    ModelCard,
    Ready,
    Recipe,
    Stepped,
)
from engine.contract.wire import Connection, bot_side
from engine.errors import ExitCode
from engine.server.socket_server import bind
from tests import tiny_model
from tests.engine_parts import job
from tests.samples import pixels_digest

ENGINE = [sys.executable, "-m", "engine"]
START_TIMEOUT = 90.0


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a tiny model."""
    return str(tiny_model.save(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["paint", "x"], "--out"),
        (["paint", "--out", "o"], "a prompt, --jobs FILE or --recipes FILE"),
        (["paint", "x", "--out", "o", "--steps", "many"], "invalid int value"),
        (
            ["paint", "x", "--out", "o", "--sampler", "best"],
            "There is no sampler “best”",
        ),
        (["paint", "x", "--out", "o", "--count", "0"], "count is 0"),
        (["paint", "x", "--out", "o", "--jobs", "j"], "must be given in the job file"),
        (["paint", "--out", "o", "--jobs", "nowhere"], "cannot be read"),
        (["paint", "x", "--out", "o", "--strength", "0.5"], "needs a sketch"),
        (["serve", "--port", "99999"], "0 to 65535"),
        (["dance"], "invalid choice"),
        ([], "required"),
    ],
)
def test_an_invalid_option_is_a_usage_error(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error is one line, written before anything is loaded."""
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
        (["--sketch", __file__], "must be a PNG, JPEG, WebP"),
    ],
)
def test_an_invalid_value_is_a_usage_error(
    tiny: str, tmp_path: Path, options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The limit of some values depends on the model."""
    arguments = ["paint", "x", *options, "--model", tiny, "--out", str(tmp_path / "out")]
    assert main(arguments) == ExitCode.USAGE
    assert reason in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_missing_model_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name may come from an option or from the environment."""
    monkeypatch.setenv("IMAGINE_MODEL", "/nowhere/at/all")
    assert main(["paint", "x", "--out", str(tmp_path)]) == ExitCode.MODEL_NOT_FOUND
    assert main(["paint", "x", "--out", str(tmp_path), "--model", str(tmp_path)]) == 5
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_an_invalid_job_is_a_usage_error(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The limits of samplers are checked before the first step."""
    options = ["--sampler", "lcm", "--steps", "60", "--model", tiny, "--out", str(tmp_path)]
    assert main(["paint", "x", *options]) == ExitCode.USAGE
    assert "lcm takes at most 50 steps" in capsys.readouterr().err


def test_a_used_port_is_an_error(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The port is checked before the model is loaded."""
    with bind(0) as listener:
        port = str(listener.getsockname()[1])
        assert main(["serve", "--port", port, "--model", tiny]) == ExitCode.PORT_IN_USE
    assert port in capsys.readouterr().err


def test_help_needs_no_torch() -> None:
    """Torch is not imported, so the help is fast."""
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
    """An engine process that has started to listen, and its port."""
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
        yield events, ready.models[0]


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
    """The engine serves jobs until standard input is closed."""
    async with serving(tiny, "--parent") as (process, port):
        async with connected(port) as (events, card):
            await events.send(job(recipe_for(card, steps=2)))
            while not isinstance(event := await events.receive(), ImageDone):
                assert event is not None
            assert pixels_digest(event.image.png) == event.image.sha256
            while not isinstance(event := await events.receive(), Completed):
                assert event is not None
        if process.stdin is None:
            raise RuntimeError("no pipe")
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 20) == ExitCode.DONE


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM handlers")
async def test_a_signal_stops_the_engine_cleanly(tiny: str) -> None:
    """This is so without jobs and while a job is running."""
    async with serving(tiny) as (process, port), connected(port) as (events, card):
        await events.send(job(recipe_for(card, steps=150), recipe_for(card, steps=150, seed=1)))
        while not isinstance(await events.receive(), Stepped):
            pass
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == ExitCode.DONE


BUSY = """
import threading, torch
from engine.log.environment import configure_from_environment
from engine.core.process import exit_process

def work():
    numbers = torch.ones(2000, 2000)
    while True:
        numbers = (numbers @ numbers).clamp(0, 1)

configure_from_environment()
if "{busy}":
    threading.Thread(target=work, name="{busy}", daemon=True).start()
exit_process(9)
"""


@pytest.mark.parametrize("busy", ["engine-core", "decoder_0", "enlarger_0", ""])
def test_the_process_exits_during_a_forward_pass(busy: str) -> None:
    """The exit code is the given one; a normal exit would crash torch in the other thread."""
    process = subprocess.run(
        [sys.executable, "-c", BUSY.format(busy=busy)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode == ExitCode.DEVICE_LOST
    warning = f"exiting while these threads are busy: {busy}"
    assert (warning in process.stderr) is bool(busy)
    assert len(process.stderr.splitlines()) == bool(busy)
