"""The sandbox, with real processes that misbehave in it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from bot import settings
from bot.attachments.sandbox import Sandbox, SandboxError, SandboxTimeout, decoder_sandbox
from bot.attachments.sandbox_main import LIFELINE
from engine.contract.images.decode_result import MAX_RESULT_BYTES, DecodeStatus, unpack
from tests.bot_harness import eventually
from tests.hostile_bombs import jpeg_of_scans
from tests.samples import encoded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
ROOT = Path(__file__).parents[1]
IMAGE = encoded(Image.new("RGB", (64, 64), "red"))
FRAMED = len(IMAGE).to_bytes(4) + IMAGE
SLOW = jpeg_of_scans()


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """No test leaves a process, not even a zombie, or an open file behind."""
    before = psutil.Process().num_fds()
    yield
    assert psutil.Process().children(recursive=True) == []
    assert psutil.Process().num_fds() <= before + 1


def program(script: str, seconds: float = 10.0) -> Sandbox:
    """A sandbox with a Python script instead of the decoder."""
    return Sandbox((sys.executable, "-I", "-S", "-c", script), seconds)


async def test_the_output_is_returned() -> None:
    """Standard output is returned byte for byte, without standard error."""
    echo = program(
        "import sys; size = int.from_bytes(sys.stdin.buffer.read(4)); sys.stderr.write('well')\n"
        "sys.stdout.buffer.write(sys.stdin.buffer.read(size))"
    )
    data = os.urandom(3_000_000)
    assert await echo.run(data, max_output=len(data)) == data


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "exit code -11"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "exit code -9"),
        ("raise SystemExit('oh no')", "exit code 1, stderr 'oh no'"),
        ("import os; os.write(1, b'half an answer'); os.abort()", "exit code -6"),
        ("while True: print('x' * 9999)", "too much output"),
        (
            "import sys\nwhile sys.stderr.write('x' * 9999): sys.stdout.write('x' * 99)",
            "too much output",
        ),
        ("import os; [os.close(n) for n in (0, 1, 2)]; os._exit(7)", "exit code 7"),
        ("import sys; sys.stdin.close(); sys.exit(3)", "exit code 3"),
    ],
)
async def test_a_failing_program_is_an_error(script: str, reason: str) -> None:
    """The message has the exit code and the last line of standard error."""
    with pytest.raises(SandboxError, match=reason):
        await program(script).run(bytes(3_000_000), max_output=1000)


@pytest.mark.parametrize(
    "script",
    [
        "import time; time.sleep(60)",
        "while True: pass",
        "import os, time; [os.close(n) for n in (0, 1, 2)]; time.sleep(60)",
        "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)",
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])",
    ],
)
async def test_a_program_that_hangs_is_killed(script: str) -> None:
    """Its child processes are killed too."""
    start = time.monotonic()
    with pytest.raises(SandboxTimeout, match=r"no result within 0\.5 s"):
        await program(script, 0.5).run(b"", max_output=1000)
    assert time.monotonic() - start < 30


async def test_cancelling_a_run_kills_its_program() -> None:
    """This happens when the bot stops."""
    running = asyncio.create_task(program("import time; time.sleep(60)").run(b"", max_output=9))
    await eventually(lambda: psutil.Process().children())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_missing_program_is_an_oserror() -> None:
    """It is no SandboxError, because the file is not the cause."""
    with pytest.raises(OSError, match="nowhere"):
        await Sandbox(("/nowhere",), 1.0).run(b"", max_output=9)


async def test_a_program_inherits_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets no environment variables, open files or session of the bot."""
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert not {"DISCORD_TOKEN", "HF_TOKEN"} & set(settings.sandbox_environment())
    inheritable = os.open(__file__, os.O_RDONLY)
    os.set_inheritable(inheritable, True)
    script = (
        "import os; print(*os.listdir('/proc/self/fd')); print(os.getsid(0) == os.getpid())\n"
        "print(os.environ['LIFELINE']); print(os.environ)"
    )
    output = (await program(script).run(b"", max_output=1000)).decode()
    os.close(inheritable)
    open_files, own_session, lifeline, _ = output.splitlines()
    assert {"0", "1", "2", lifeline} < set(open_files.split())
    assert len(open_files.split()) == 5  # with the listing itself
    assert own_session == "True"
    assert "secret" not in output


def environment_of(process: psutil.Process) -> set[str]:
    """The names of its environment variables; none while it starts."""
    try:
        return set(process.environ())
    except psutil.Error:
        return set()


async def test_a_decoder_limits_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """All limits are in force while it decodes."""
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    slow = decoder_sandbox(settings.sandbox_environment(), cpu_seconds=3)
    running = asyncio.create_task(slow.run(SLOW, max_output=MAX_RESULT_BYTES))
    await eventually(lambda: psutil.Process().children())
    (child,) = psutil.Process().children()
    await eventually(lambda: child.rlimit(psutil.RLIMIT_NOFILE)[0] == 16)
    await eventually(lambda: child.rlimit(psutil.RLIMIT_AS) == (1 << 30, 1 << 30))
    assert child.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    assert child.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert child.rlimit(psutil.RLIMIT_NPROC) == (0, 0)
    assert child.rlimit(psutil.RLIMIT_CPU) == (3, 4)
    assert environment_of(child) <= {"LD_LIBRARY_PATH", "LC_CTYPE", LIFELINE}
    assert child.num_fds() == 4
    with pytest.raises(SandboxTimeout, match="CPU limit"):
        await running


async def test_a_decoder_imports_little() -> None:
    """It starts for each file, so it has no module of the contract but those that decode."""
    decoder = decoder_sandbox(settings.sandbox_environment())
    command = list(decoder.command)
    start = command.index("-c") + 1
    command[start] = command[start].removesuffix("main(sys.argv[3:])") + "print(*sys.modules)"
    listing = Sandbox(tuple(command), 60, decoder.environment)
    imported = (await listing.run(b"", max_output=100_000)).decode().split()
    assert "engine.contract.images.decoder" in imported
    assert not {"msgspec", "engine.contract.recipe", "asyncio"} & set(imported)


async def test_memory_has_a_limit() -> None:
    """With 64 MB a small image can be decoded, but not one of 25 million pixels."""
    tight = decoder_sandbox(settings.sandbox_environment(), memory_bytes=64 << 20)
    large = encoded(Image.new("RGB", (5000, 5000)))
    result = unpack(await tight.run(large, max_output=MAX_RESULT_BYTES))
    assert result.status is DecodeStatus.OUT_OF_MEMORY
    result = unpack(await tight.run(IMAGE, max_output=MAX_RESULT_BYTES))
    assert result.status is DecodeStatus.OK


async def test_too_little_memory_to_read_the_file_is_an_error() -> None:
    """The sandbox does not wait for it."""
    with pytest.raises(SandboxError, match="MemoryError"):
        tiny = decoder_sandbox(settings.sandbox_environment(), memory_bytes=1 << 20)
        await tiny.run(bytes(5_000_000), max_output=MAX_RESULT_BYTES)


async def test_a_decoder_exits_after_its_time() -> None:
    """It exits a few seconds after the limit if the bot does not kill it."""
    environment = settings.sandbox_environment()
    limited = decoder_sandbox(environment, cpu_seconds=60, seconds=0)
    with pytest.raises(SandboxError, match=f"exit code {-signal.SIGALRM}"):
        await Sandbox(limited.command, 60, environment).run(SLOW, max_output=9)


async def test_a_decoder_exits_with_the_bot() -> None:
    """It exits while it decodes, when the bot was killed and could not kill it."""
    script = (
        "import asyncio, sys; from bot.attachments.sandbox import decoder_sandbox\n"
        "slow = decoder_sandbox({}, cpu_seconds=60, seconds=60)\n"
        "asyncio.run(slow.run(sys.stdin.buffer.read(), max_output=9))"
    )
    bot = await asyncio.create_subprocess_exec(sys.executable, "-c", script, cwd=ROOT, stdin=PIPE)
    assert bot.stdin is not None
    bot.stdin.write(SLOW)
    await bot.stdin.drain()
    bot.stdin.close()
    await eventually(lambda: psutil.Process(bot.pid).children())
    (child,) = psutil.Process(bot.pid).children()
    await eventually(lambda: child.cpu_times().user > 0.5)
    bot.kill()
    await bot.wait()
    await eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize(
    ("data", "is_bot_alive", "reason"),
    [(FRAMED[:-1], True, b"incomplete"), (FRAMED, False, b"The bot has ended")],
)
def test_a_decoder_without_a_bot_does_not_decode(
    data: bytes, is_bot_alive: bool, reason: bytes
) -> None:
    """It exits if its input ends early or the lifeline is already closed."""
    read_end, write_end = os.pipe()
    if not is_bot_alive:
        os.close(write_end)
    process = subprocess.run(
        decoder_sandbox({}).command,
        input=data,
        capture_output=True,
        check=False,
        env={LIFELINE: str(read_end)},
        pass_fds=(read_end,),
    )
    os.close(read_end)
    if is_bot_alive:
        os.close(write_end)
    assert (process.returncode, process.stdout) == (1, b"")
    assert reason in process.stderr
