"""The engine as a child process that cannot outlive us."""

import asyncio
import logging
import re
import secrets
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from bot.errors import BotError
from engine import log as logs
from engine.log import logfmt as lines
from engine.log.redaction import hide

_LISTENING: Final = re.compile(rb"listening on ([\d.]+):(\d+)\s*")
_GRACE_SECONDS: Final = 5.0
_LAST_WORDS_SECONDS: Final = 1.0
MAX_LINE_BYTES: Final = 256 * 1024
"""Bytes of a line; what is longer is passed on in pieces."""
log = logging.getLogger(__name__)


class EngineStartFailed(BotError):
    """The engine ended before it was ready."""


class Endpoint(msgspec.Struct, frozen=True):
    """Where an engine listens, and the secret that it wants to hear."""

    host: str
    port: int
    token: str

    def __repr__(self) -> str:
        return f"Endpoint({self.host}:{self.port})"


class LogForwarder:
    """Passes the lines of the engine's log on to ours, and remembers its last words."""

    def __init__(self) -> None:
        self._last = ""

    async def copy(self, stream: asyncio.StreamReader) -> None:
        """To the end, also of what does not end in a line, or is a line without end."""
        begun = b""
        while chunk := await stream.read(4096):
            *whole, begun = (begun + chunk).split(b"\n")
            if len(begun) > MAX_LINE_BYTES:
                whole, begun = [*whole, begun], b""
            self._pass_on(whole)
        self._pass_on([begun])

    def _pass_on(self, found: Iterable[bytes]) -> None:
        for line in found:
            text = line.decode(errors="replace").strip()
            if text:
                self._last = text
                logs.relay(text)

    def last_line(self) -> str:
        fields = lines.read(self._last)
        return self._last if fields is None else str(fields["event"])


@asynccontextmanager
async def spawn_engine(environment: Mapping[str, str]) -> AsyncIterator[Endpoint]:
    """Start an engine and wait until its model is loaded; leaving stops it.

    Its standard input stays open as long as we live, for it ends when that is closed.
    Raises EngineStartFailed with the engine's last words.
    """
    token = secrets.token_urlsafe(32)
    hide(token)
    process = await _start({**environment, "IMAGINE_ENGINE_TOKEN": token})
    relay = LogForwarder()
    if process.stderr is None or process.stdout is None:
        raise RuntimeError("The engine was started without pipes.")
    copying = asyncio.create_task(relay.copy(process.stderr))
    draining: asyncio.Task[None] | None = None
    try:
        address = await _address(process.stdout)
        if address is None:
            code = await process.wait()
            await copying
            raise EngineStartFailed(relay.last_line() or f"it ended with exit code {code}")
        draining = asyncio.create_task(relay.copy(process.stdout))
        yield Endpoint(*address, token)
    finally:
        await _stop(process)
        copies = {copying, draining} if draining else {copying}
        await asyncio.wait(copies, timeout=_LAST_WORDS_SECONDS)
        for copy in copies:
            copy.cancel()


async def _start(environment: Mapping[str, str]) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "engine", "serve", "--port", "0", "--parent"),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=dict(environment),
        # Ctrl-C is for us; we stop the engine when its job is back in the queue.
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


async def _address(stdout: asyncio.StreamReader) -> tuple[str, int] | None:
    async for line in stdout:
        if found := _LISTENING.fullmatch(line):
            return found[1].decode(), int(found[2])
    return None


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _GRACE_SECONDS)
    except TimeoutError:
        log.warning("The engine did not stop by itself and is killed.")
        process.kill()
        await process.wait()
