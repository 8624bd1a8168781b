"""Programs that are not trusted, as real processes that misbehave in every way."""

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
from bot.attachments import sandbox
from bot.attachments.image_decoder import ANSWER_LIMIT, Verdict, unpacked
from bot.attachments.sandbox import Failure, Sandbox, TooSlow
from bot.attachments.sandbox_main import LIFELINE
from tests import hostile_files
from tests.house import eventually
from tests.samples import encoded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
ROOT = Path(__file__).parents[1]
SKETCH = encoded(Image.new("RGB", (64, 64), "red"))
SLOW = next(file.data for file in hostile_files.bombs() if "scans" in file.name)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No test leaves a process, not even a dead one, or an open pipe behind."""
    before = psutil.Process().num_fds()
    yield
    assert psutil.Process().children(recursive=True) == []
    assert psutil.Process().num_fds() <= before + 1


def program(script: str, seconds: float = 10.0) -> Sandbox:
    """A sandbox with another program in it."""
    return Sandbox((sys.executable, "-I", "-S", "-c", script), seconds)


async def test_an_answer_comes_back() -> None:
    """To the byte; what is said beside it is not part of it."""
    echo = program(
        "import sys; size = int.from_bytes(sys.stdin.buffer.read(4)); sys.stderr.write('well')\n"
        "sys.stdout.buffer.write(sys.stdin.buffer.read(size))"
    )
    data = os.urandom(3_000_000)
    assert await echo.answer(data, limit=len(data)) == data


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended with -11"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended with -9"),
        ("raise SystemExit('oh no')", "ended with 1 and said 'oh no'"),
        ("import os; os.write(1, b'half an answer'); os.abort()", "ended with -6"),
        ("while True: print('x' * 9999)", "the answer did not end"),
        ("import sys\nwhile sys.stderr.write('x' * 9999): sys.stdout.write('x' * 99)", "not end"),
        ("import os; [os.close(n) for n in (0, 1, 2)]; os._exit(7)", "ended with 7"),
        ("import sys; sys.stdin.close(); sys.exit(3)", "ended with 3"),
    ],
)
async def test_a_program_that_breaks_down_says_why(script: str, why: str) -> None:
    """To the log; whatever it wrote is no answer."""
    with pytest.raises(Failure, match=why):
        await program(script).answer(bytes(3_000_000), limit=1000)


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
async def test_a_program_that_hangs_is_ended(script: str) -> None:
    """With all that it started."""
    since = time.monotonic()
    with pytest.raises(TooSlow, match=r"no answer in 0\.5 s"):
        await program(script, 0.5).answer(b"", limit=1000)
    assert time.monotonic() - since < 5


async def test_a_cancelled_question_ends_its_program() -> None:
    """As when the bot is stopped."""
    asking = asyncio.create_task(program("import time; time.sleep(60)").answer(b"", limit=9))
    await eventually(lambda: psutil.Process().children())
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_program_that_is_not_there_is_an_error_of_the_system() -> None:
    """It is nobody's sketch that is to blame."""
    with pytest.raises(OSError, match="nowhere"):
        await Sandbox(("/nowhere",), 1.0).answer(b"", limit=9)


async def test_a_program_learns_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no environment of ours, no file of ours, and no terminal of ours."""
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert not {"DISCORD_TOKEN", "HF_TOKEN"} & set(settings.sandbox_environment())
    inheritable = os.open(__file__, os.O_RDONLY)
    os.set_inheritable(inheritable, True)
    script = (
        "import os; print(*os.listdir('/proc/self/fd')); print(os.getsid(0) == os.getpid())\n"
        "print(os.environ['LIFELINE']); print(os.environ)"
    )
    told = (await program(script).answer(b"", limit=1000)).decode()
    os.close(inheritable)
    open_files, own_session, lifeline, _ = told.splitlines()
    assert {"0", "1", "2", lifeline} < set(open_files.split())
    assert len(open_files.split()) == 5  # with the listing itself
    assert own_session == "True"
    assert "secret" not in told


def environment_of(process: psutil.Process) -> set[str]:
    """The names of what it was started with; not yet, while it starts."""
    try:
        return set(process.environ())
    except psutil.Error:
        return set()


async def test_a_decoder_holds_itself_to_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system sees it, in the middle of its work."""
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    slow = sandbox.decoder(settings.sandbox_environment(), processor=3)
    asking = asyncio.create_task(slow.answer(SLOW, limit=ANSWER_LIMIT))
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
    with pytest.raises(TooSlow, match="processor's time"):
        await asking


async def test_memory_has_a_limit() -> None:
    """A picture that is fine elsewhere does not fit in 64 MB; one that is small does."""
    tight = sandbox.decoder(settings.sandbox_environment(), memory=64 << 20)
    large = encoded(Image.new("RGB", (5000, 5000)))
    answer = unpacked(await tight.answer(large, limit=ANSWER_LIMIT))
    assert answer.verdict is Verdict.TOO_MUCH_MEMORY
    answer = unpacked(await tight.answer(SKETCH, limit=ANSWER_LIMIT))
    assert answer.verdict is Verdict.PICTURE


async def test_not_even_enough_memory_to_read_the_file() -> None:
    """Is a program that breaks down, and no hang."""
    with pytest.raises(Failure, match="MemoryError"):
        tiny = sandbox.decoder(settings.sandbox_environment(), memory=1 << 20)
        await tiny.answer(bytes(5_000_000), limit=ANSWER_LIMIT)


async def test_a_decoder_that_nobody_ends_ends_itself() -> None:
    """Seconds after its time, though it is in the middle of its work."""
    environment = settings.sandbox_environment()
    told = sandbox.decoder(environment, processor=60, seconds=0)
    with pytest.raises(Failure, match=f"ended with {-signal.SIGALRM}"):
        await Sandbox(told.command, 60, environment).answer(SLOW, limit=9)


async def test_a_decoder_dies_with_its_bot() -> None:
    """At once, though it is in the middle of its work, and nobody is left to end it."""
    script = (
        "import asyncio, sys; from bot.attachments import sandbox\n"
        "slow = sandbox.decoder({}, processor=60, seconds=60)\n"
        "asyncio.run(slow.answer(sys.stdin.buffer.read(), limit=9))"
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


def test_a_decoder_without_a_bot_does_not_begin() -> None:
    """Half a file is no file, and an answer that nobody waits for is not looked for."""
    told = len(SKETCH).to_bytes(4) + SKETCH
    for file, alive, why in [(told[:-1], True, b"come to its end"), (told, False, b"Nobody waits")]:
        end, held = os.pipe()
        if not alive:
            os.close(held)
        ended = subprocess.run(
            sandbox.decoder({}).command,
            input=file,
            capture_output=True,
            check=False,
            env={LIFELINE: str(end)},
            pass_fds=(end,),
        )
        os.close(end)
        if alive:
            os.close(held)
        assert (ended.returncode, ended.stdout) == (1, b"")
        assert why in ended.stderr
