"""Run an untrusted program with resource limits and return its output."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, cast

import msgspec
import PIL

from bot.attachments.sandbox_main import FRAME, LIFELINE

_ROOTS: Final = (str(Path(PIL.__file__).parents[1]), str(Path(__file__).parents[2]))
_START: Final = (
    "import sys, types; sys.path += sys.argv[1:3]\n"
    "import engine\n"
    "contract = types.ModuleType('engine.contract')\n"
    "contract.__path__ = [engine.__path__[0] + '/contract']\n"
    "sys.modules['engine.contract'] = contract\n"
    "from bot.attachments.sandbox_main import main; main(sys.argv[3:])"
)
"""The package `engine.contract` is only a folder here: its `__init__` would import all that the two
processes say to each other, which takes nearly as long as the rest of the start."""
_MAX_STDERR_BYTES: Final = 2000
_STDIN, _STDOUT = 0, 1
_CPU_LIMIT_EXIT: Final = None if sys.platform == "win32" else -signal.SIGXCPU


class SandboxError(Exception):
    """The program failed; the message is for the log."""


class SandboxTimeout(SandboxError):
    """The program exceeded its wall-clock or CPU time."""


class Sandbox(msgspec.Struct, frozen=True):
    """A program and its wall-clock limit for one run, in seconds.

    Each run is a process in a session of its own, with no environment variables but `environment`
    and LIFELINE. Its only open files are three pipes and the lifeline, a pipe to which nothing is
    written: it closes when the bot ends.
    """

    command: tuple[str, ...]
    seconds: float
    environment: Mapping[str, str] = msgspec.field(default_factory=dict)

    async def run(self, data: bytes, *, max_output: int) -> bytes:
        """What the program writes to standard output when it reads `data`.

        The process has ended when this returns or raises. Raises SandboxError, also for more than
        `max_output` bytes of output, and OSError if the process could not be started.
        """
        async with self._process(max_output) as (process, protocol):
            stdin = cast(asyncio.WriteTransport, process.get_pipe_transport(_STDIN))
            stdin.write(len(data).to_bytes(FRAME))
            stdin.write(data)
            try:
                async with asyncio.timeout(self.seconds):
                    await protocol.ended.wait()
            except TimeoutError:
                raise SandboxTimeout(f"no result within {self.seconds:g} s") from None
            return _output(protocol, process.get_returncode())

    @asynccontextmanager
    async def _process(
        self, max_output: int
    ) -> AsyncIterator[tuple[asyncio.SubprocessTransport, "_Protocol"]]:
        with _lifeline() as read_end:
            process, protocol = await asyncio.get_running_loop().subprocess_exec(
                partial(_Protocol, max_output),
                *self.command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env={**self.environment, **({} if read_end is None else {LIFELINE: str(read_end)})},
                pass_fds=() if read_end is None else (read_end,),
                start_new_session=True,
            )
            try:
                yield process, protocol
            finally:
                _kill(process)
                process.close()
                await protocol.ended.wait()


@contextmanager
def _lifeline() -> Iterator[int | None]:
    """The read end of a pipe for the child to watch; None on Windows, which cannot inherit one."""
    if sys.platform == "win32":
        yield None
        return
    read_end, write_end = os.pipe()
    try:
        yield read_end
    finally:
        os.close(read_end)
        os.close(write_end)


class _Protocol(asyncio.SubprocessProtocol):
    """Collects the output; kills the process if there is too much."""

    def __init__(self, max_output: int) -> None:
        self.ended = asyncio.Event()
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.is_too_long = False
        self._max_output = max_output
        self._process: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._process = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd != _STDOUT:
            self.stderr += data[: _MAX_STDERR_BYTES - len(self.stderr)]
        elif len(self.stdout) + len(data) <= self._max_output:
            self.stdout += data
        else:
            self.is_too_long = True
            if self._process is not None:
                _kill(self._process)

    def connection_lost(self, _: Exception | None) -> None:
        """Called when the process has ended and all pipes are closed."""
        self.ended.set()


def _kill(process: asyncio.SubprocessTransport) -> None:
    """Kill the process and its children."""
    if process.get_returncode() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.get_pid(), signal.SIGKILL)


def _output(protocol: _Protocol, code: int | None) -> bytes:
    if protocol.is_too_long:
        raise SandboxError("too much output")
    if code == _CPU_LIMIT_EXIT:
        raise SandboxTimeout("the CPU limit was reached")
    if code != 0:
        lines = protocol.stderr.decode(errors="replace").strip().splitlines()
        raise SandboxError(f"exit code {code}, stderr {lines[-1][:200] if lines else ''!r}")
    return bytes(protocol.stdout)


def decoder_sandbox(
    environment: Mapping[str, str],
    *,
    memory_bytes: int = 1024 * 1024 * 1024,
    cpu_seconds: int = 10,
    seconds: int = 20,
) -> Sandbox:
    """A sandbox for the image decoder, with limits for address space, CPU time and wall-clock time.

    Windows has none of the first two, and macOS none for address space.
    """
    limits = (str(memory_bytes), str(cpu_seconds), str(seconds))
    flags = ("-I", "-S", "-B", "-c")  # isolated, no site-packages but ours, no .pyc files
    return Sandbox((sys.executable, *flags, _START, *_ROOTS, *limits), seconds, environment)
