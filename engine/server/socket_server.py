"""The engine on a socket: commands in, events out, for any number of connections."""

import asyncio
import contextlib
import hmac
import logging
import signal
import socket
import sys
from collections.abc import Callable
from typing import Final

from engine.contract import PROTOCOL_VERSION, Command, Hello, Ready, Rejected
from engine.contract.wire import CLOSING_SECONDS, Connection, WireError, engine_side
from engine.core.engine_core import Painter
from engine.core.worker import Worker
from engine.errors import EngineError, PortInUse
from engine.server.session import Visit, soon

HELLO_WITHIN: Final = 10.0
"""Seconds that a new connection has to say who it is."""
HELLO_LIMIT: Final = 64 * 1024
"""Bytes of what it says first, which anybody on this machine may send and have kept."""
log = logging.getLogger(__name__)


def bind(port: int) -> socket.socket:
    """Take the port on the loopback interface, 0 for any that is free. Raises PortInUse."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise PortInUse(f"Port {port} is not to be had: {error.strerror}.") from error


async def serve(listening: socket.socket, painter: Painter, token: str) -> None:
    """Serve until a signal says stop. Raises EngineError if nothing can be painted any more."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[None] = loop.create_future()

    def end(error: EngineError | None = None) -> None:
        if stop.done():
            return
        if error is None:
            stop.set_result(None)
        else:
            stop.set_exception(error)

    _on_signals(loop, end)
    worker = Worker(painter, lambda error: soon(loop, end, error))
    desk = Reception(worker, Ready(painter.model.card), token)
    server = await asyncio.start_server(desk.welcome, sock=listening)
    port = listening.getsockname()[1]
    log.info("ready: %s, %s", painter.model.card.name, painter.model.card.fingerprint)
    sys.stdout.write(f"listening on 127.0.0.1:{port}\n")
    sys.stdout.flush()
    try:
        await stop
    finally:
        server.close()
        await desk.close()
        await asyncio.to_thread(worker.close)
        peak = painter.model.device.peak_memory()
        log.info("stopped%s", "" if peak is None else f"; peak memory {peak / 2**30:.1f} GiB")


def _on_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))


class Reception:
    """Welcomes connections; each has its own jobs, which end when it goes."""

    def __init__(self, worker: Worker, ready: Ready, token: str) -> None:
        self._worker = worker
        self._ready = ready
        self._token = token
        self._visits: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """End all connections."""
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)

    async def welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends, or sends what is no message of ours."""
        visit = asyncio.current_task()
        if visit is not None:
            self._visits.add(visit)
            visit.add_done_callback(self._visits.discard)
        try:
            async with engine_side(reader, writer) as connection:
                await self._serve(connection)
        except asyncio.CancelledError:  # by `close`; asyncio's streams would make a crash of it
            log.info("connection closed, for the engine stops")

    async def _serve(self, connection: Connection[Command]) -> None:
        try:
            await self._introduce(connection)
            await self._converse(connection)
        except WireError as error:
            log.warning("connection rejected: %s", error)
            with contextlib.suppress(OSError, TimeoutError):
                parting = connection.close_with(Rejected(str(error)))
                await asyncio.wait_for(parting, CLOSING_SECONDS)
        except OSError as error:
            log.info("connection lost: %s", error)

    async def _introduce(self, connection: Connection[Command]) -> None:
        try:
            hello = await asyncio.wait_for(connection.receive(HELLO_LIMIT), HELLO_WITHIN)
        except TimeoutError as error:
            raise WireError("Say Hello first, with the token.") from error
        if not isinstance(hello, Hello):
            raise WireError("Say Hello first, with the token.")
        if not hmac.compare_digest(hello.token.encode(), self._token.encode()):
            raise WireError("The token is wrong.")
        if hello.version != PROTOCOL_VERSION:
            raise WireError(
                f"You speak version {hello.version}; this engine speaks {PROTOCOL_VERSION}."
            )
        await connection.send(self._ready)

    async def _converse(self, connection: Connection[Command]) -> None:
        visit = Visit(self._worker, connection.abort)
        sending = asyncio.create_task(visit.outbox.send_all(connection))
        beating = asyncio.create_task(visit.beat())
        try:
            while (command := await connection.receive()) is not None:
                visit.obey(command)
        finally:
            visit.end()
            beating.cancel()
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await sending
