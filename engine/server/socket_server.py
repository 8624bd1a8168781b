"""The engine on a socket: receives commands and sends events on any number of connections."""

import asyncio
import contextlib
import hmac
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from engine.contract import PROTOCOL_VERSION, Command, Hello, ModelsChanged, Ready, Rejected
from engine.contract.wire import CLOSING_SECONDS, Connection, WireError, engine_side
from engine.core.lora_watcher import LoraWatcher
from engine.core.worker import start_worker
from engine.errors import EngineError, PortInUse
from engine.models.base import DiffusionModel
from engine.server.job_server import JobServer
from engine.server.session import Session, call_threadsafe

HANDSHAKE_TIMEOUT: Final = 10.0
"""Seconds for a new connection to send Hello."""
MAX_HELLO_BYTES: Final = 64 * 1024
"""Limit for the first frame: any local program can send one without the token."""
log = logging.getLogger(__name__)


def bind(port: int) -> socket.socket:
    """Listen on a port of the loopback interface; 0 means any free port. Raises PortInUse."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise PortInUse(f"Port {port} is not available: {error.strerror}.") from error


async def serve(listener: socket.socket, models: Sequence[DiffusionModel], token: str) -> None:
    """Serve until SIGINT or SIGTERM. Raises EngineError if the engine can no longer paint."""
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
    worker = start_worker(models, lambda error: call_threadsafe(loop, end, error))
    cards = tuple(model.card for model in models)
    ready = Ready(cards, worker.upscalers, worker.can_film)
    handler = ConnectionHandler(worker, ready, token)
    watcher = LoraWatcher(models, lambda: call_threadsafe(loop, handler.offer_models, models))
    server = await asyncio.start_server(handler.handle, sock=listener)
    port = listener.getsockname()[1]
    for model in models:
        log.info("ready: %s, %s", model.card.name, model.card.fingerprint)
    sys.stdout.write(f"listening on 127.0.0.1:{port}\n")
    sys.stdout.flush()
    watcher.start()
    try:
        await stop
    finally:
        watcher.close()
        server.close()
        await handler.close()
        await asyncio.to_thread(worker.close)
        peak = models[0].device.peak_memory()
        log.info("stopped%s", "" if peak is None else f"; peak memory {peak / 2**30:.1f} GiB")


def _on_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))


class ConnectionHandler:
    """Serves connections, and cancels the jobs of a connection when it closes."""

    def __init__(self, job_server: JobServer, ready: Ready, token: str) -> None:
        self._job_server = job_server
        self._ready = ready
        self._token = token
        self._connections: set[asyncio.Task[None]] = set()
        self._sessions: set[Session] = set()

    def offer_models(self, models: Sequence[DiffusionModel]) -> None:
        """Tell all clients that the cards of the models have changed."""
        cards = tuple(model.card for model in models)
        self._ready = msgspec.structs.replace(self._ready, models=cards)
        for session in self._sessions:
            session.event_queue.put(ModelsChanged(cards))

    async def close(self) -> None:
        """Close all connections."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it closes or sends an invalid message."""
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            async with engine_side(reader, writer) as connection:
                await self._serve(connection)
        except asyncio.CancelledError:  # by `close`; asyncio's streams would log it as an error
            log.info("connection closed: the engine is stopping")

    async def _serve(self, connection: Connection[Command]) -> None:
        try:
            ready = await self._handshake(connection)
            await self._serve_session(connection, ready)
        except WireError as error:
            log.warning("connection rejected: %s", error)
            with contextlib.suppress(OSError, TimeoutError):
                closing = connection.close_with(Rejected(str(error)))
                await asyncio.wait_for(closing, CLOSING_SECONDS)
        except OSError as error:
            log.info("connection lost: %s", error)

    async def _handshake(self, connection: Connection[Command]) -> Ready:
        try:
            hello = await asyncio.wait_for(connection.receive(MAX_HELLO_BYTES), HANDSHAKE_TIMEOUT)
        except TimeoutError as error:
            raise WireError("The first message must be Hello, with the token.") from error
        if not isinstance(hello, Hello):
            raise WireError("The first message must be Hello, with the token.")
        if not hmac.compare_digest(hello.token.encode(), self._token.encode()):
            raise WireError("The token is wrong.")
        if hello.version != PROTOCOL_VERSION:
            raise WireError(
                f"The protocol version is {hello.version}; this engine has {PROTOCOL_VERSION}."
            )
        ready = self._ready
        await connection.send(ready)
        return ready

    async def _serve_session(self, connection: Connection[Command], ready: Ready) -> None:
        session = Session(self._job_server, connection.abort)
        self._sessions.add(session)
        if self._ready is not ready:  # since it was sent
            session.event_queue.put(ModelsChanged(self._ready.models))
        sending = asyncio.create_task(session.event_queue.send_all(connection))
        heartbeats = asyncio.create_task(session.send_heartbeats())
        try:
            while (command := await connection.receive()) is not None:
                session.handle_command(command)
        finally:
            self._sessions.discard(session)
            session.close()
            heartbeats.cancel()
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await sending
