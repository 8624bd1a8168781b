"""Programs that are not trusted: fed, listened to, held to their limits, and ended."""

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
    "import sys; sys.path += sys.argv[1:3]\n"
    "from bot.attachments.sandbox_main import main; main(sys.argv[3:])"
)
_WORDS_LIMIT: Final = 2000
_STDIN, _STDOUT = 0, 1
_OUT_OF_TIME: Final = None if sys.platform == "win32" else -signal.SIGXCPU


class Failure(Exception):
    """The program gave no answer; the words are for the log."""


class TooSlow(Failure):
    """It was given up after its time, by the clock or the processor's."""


class Sandbox(msgspec.Struct, frozen=True):
    """A program, and the seconds by the clock that it gets for one answer.

    It has a process and a session of its own, no environment but what is given here (and LIFELINE),
    and nothing open but three pipes, and a fourth on which nothing is ever said: it ends with us.
    """

    command: tuple[str, ...]
    seconds: float
    environment: Mapping[str, str] = msgspec.field(default_factory=dict)

    async def answer(self, data: bytes, *, limit: int) -> bytes:
        """What the program writes, at most `limit` bytes, when it is given these. The process is
        gone afterwards, whatever happens. Raises Failure, or OSError if none could be started."""
        async with self._started(limit) as (process, talk):
            stdin = cast(asyncio.WriteTransport, process.get_pipe_transport(_STDIN))
            stdin.write(len(data).to_bytes(FRAME))
            stdin.write(data)
            try:
                async with asyncio.timeout(self.seconds):
                    await talk.ended.wait()
            except TimeoutError:
                raise TooSlow(f"no answer in {self.seconds:g} s") from None
            return _checked(talk, process.get_returncode())

    @asynccontextmanager
    async def _started(
        self, limit: int
    ) -> AsyncIterator[tuple[asyncio.SubprocessTransport, "_Talk"]]:
        with _lifeline() as end:
            process, talk = await asyncio.get_running_loop().subprocess_exec(
                partial(_Talk, limit),
                *self.command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env={**self.environment, **({} if end is None else {LIFELINE: str(end)})},
                pass_fds=() if end is None else (end,),
                start_new_session=True,
            )
            try:
                yield process, talk
            finally:
                _kill(process)
                process.close()
                await talk.ended.wait()


@contextmanager
def _lifeline() -> Iterator[int | None]:
    """The end of a pipe that a child is to watch; None on Windows, where none can be handed on."""
    if sys.platform == "win32":
        yield None
        return
    end, held = os.pipe()
    try:
        yield end
    finally:
        os.close(end)
        os.close(held)


class _Talk(asyncio.SubprocessProtocol):
    """Listens no longer than to the limit."""

    def __init__(self, limit: int) -> None:
        self.ended = asyncio.Event()
        self.answer = bytearray()
        self.words = bytearray()
        self.too_long = False
        self._limit = limit
        self._process: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._process = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd != _STDOUT:
            self.words += data[: _WORDS_LIMIT - len(self.words)]
        elif len(self.answer) + len(data) <= self._limit:
            self.answer += data
        else:
            self.too_long = True
            if self._process is not None:
                _kill(self._process)

    def connection_lost(self, _: Exception | None) -> None:
        """The process has ended, and all pipes are closed."""
        self.ended.set()


def _kill(process: asyncio.SubprocessTransport) -> None:
    """And whatever it started."""
    if process.get_returncode() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.get_pid(), signal.SIGKILL)


def _checked(talk: _Talk, code: int | None) -> bytes:
    if talk.too_long:
        raise Failure("the answer did not end")
    if code == _OUT_OF_TIME:
        raise TooSlow("it took all the processor's time that it may take")
    if code != 0:
        words = talk.words.decode(errors="replace").strip().splitlines()
        raise Failure(f"it ended with {code} and said {words[-1][:200] if words else ''!r}")
    return bytes(talk.answer)


def decoder(
    environment: Mapping[str, str],
    *,
    memory: int = 1024 * 1024 * 1024,
    processor: int = 10,
    seconds: int = 20,
) -> Sandbox:
    """The decoder of pictures, with limits in bytes of address space, seconds of the processor's
    time, and seconds by the clock. Where the system has no such limits (Windows), or not that of
    memory (macOS), only the clock's holds."""
    limits = (str(memory), str(processor), str(seconds))
    flags = ("-I", "-S", "-B", "-c")  # no site-packages but ours, no user's settings, no .pyc
    return Sandbox((sys.executable, *flags, _START, *_ROOTS, *limits), seconds, environment)
