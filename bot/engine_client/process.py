"""Runs the engine as a child process that exits when the bot does."""

import asyncio
import logging
import re
import secrets
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from bot.engine_client.socket_client import Endpoint
from bot.errors import BotError
from engine import log as logs
from engine.log import logfmt
from engine.log.redaction import register_secret

SERVE: Final = ("serve", "--port", "0", "--parent")
"""The command for one engine."""
_LISTENING: Final = re.compile(rb"listening on ([\d.]+):(\d+)\s*")
_KILLED: Final = 9
"""The number of SIGKILL, which not every system has."""
_STOP_SECONDS: Final = 5.0
_LOG_DRAIN_SECONDS: Final = 1.0
"""How long the log is still read after the engine has ended."""
MAX_LINE_BYTES: Final = 256 * 1024
"""Longer lines of the log are forwarded in pieces."""
log = logging.getLogger(__name__)


class EngineStartFailed(BotError):
    """The engine ended before it was ready."""


class LogForwarder:
    """Forwards the lines of the engine's log to ours."""

    def __init__(self) -> None:
        self._last = ""

    async def copy(self, stream: asyncio.StreamReader) -> None:
        """Forward until the end of the stream, including an unfinished last line."""
        partial = b""
        while chunk := await stream.read(4096):
            *lines, partial = (partial + chunk).split(b"\n")
            if len(partial) > MAX_LINE_BYTES:
                lines, partial = [*lines, partial], b""
            self._forward(lines)
        self._forward([partial])

    def _forward(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            text = line.decode(errors="replace").strip()
            if text:
                self._last = text
                logs.forward(text)

    def last_line(self) -> str:
        """The last line that was forwarded, without its log fields."""
        fields = logfmt.parse(self._last)
        return self._last if fields is None else str(fields["event"])


@asynccontextmanager
async def spawn_engine(
    environment: Mapping[str, str],
    arguments: Sequence[str] = SERVE,
    *,
    stop_seconds: float = _STOP_SECONDS,
) -> AsyncIterator[Endpoint]:
    """Start `python -m engine` with these arguments, wait until its model is loaded, and stop it on
    exit, by force after `stop_seconds`.

    Its standard input stays open while the bot lives; the engine exits when it is closed.
    Raises EngineStartFailed with the last line of the engine's log.
    """
    token = secrets.token_urlsafe(32)
    register_secret(token)
    process = await _spawn({**environment, "IMAGINE_ENGINE_TOKEN": token}, arguments)
    forwarder = LogForwarder()
    if process.stderr is None or process.stdout is None:
        raise RuntimeError("The engine was started without pipes.")
    tasks = {asyncio.create_task(forwarder.copy(process.stderr))}
    try:
        address = await _address(process.stdout)
        if address is None:
            code = await process.wait()
            await asyncio.wait(tasks)
            raise EngineStartFailed(forwarder.last_line() or f"it ended with exit code {code}")
        tasks.add(asyncio.create_task(forwarder.copy(process.stdout)))
        yield Endpoint(*address, token)
    finally:
        await _stop(process, stop_seconds)
        await asyncio.wait(tasks, timeout=_LOG_DRAIN_SECONDS)
        for task in tasks:
            task.cancel()


async def _spawn(environment: Mapping[str, str], arguments: Sequence[str]) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "engine", *arguments),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=dict(environment),
        # Ctrl-C must not reach the engine: the bot stops it after its jobs are queued again.
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


async def _address(stdout: asyncio.StreamReader) -> tuple[str, int] | None:
    """Host and port that the engine listens on; None if its output ends first."""
    async for line in stdout:
        if match := _LISTENING.fullmatch(line):
            return match[1].decode(), int(match[2])
    return None


async def _stop(process: Process, seconds: float) -> None:
    """Stop the engine; log the signal if one ended it before."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        code = await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        log.warning("The engine did not stop by itself and is killed.")
        process.kill()
        await process.wait()
        return
    if code < 0:
        hint = "; the system may be out of memory" if -code == _KILLED else ""
        log.warning("The engine was ended by signal %d%s.", -code, hint)
