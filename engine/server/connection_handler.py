"""Connections to the engine: the handshake, and a session for each."""

import asyncio
import contextlib
import hmac
import logging
from typing import Final

from engine.contract import PROTOCOL_VERSION, Command, Hello, ModelsChanged, Ready, Rejected
from engine.contract.wire import CLOSING_SECONDS, Connection, WireError, engine_side
from engine.server.job_server import JobServer
from engine.server.session import Session

HANDSHAKE_TIMEOUT: Final = 10.0
"""Seconds for a new connection to send Hello."""
READY_TIMEOUT: Final = 5.0
"""Seconds that a new connection waits for the first replica of a cluster."""
MAX_HELLO_BYTES: Final = 64 * 1024
"""Limit for the first frame: any local program can send one without the token."""
log = logging.getLogger(__name__)


class ConnectionHandler:
    """Serves connections, and cancels the jobs of a connection when it closes."""

    def __init__(self, job_server: JobServer, ready: Ready | None, token: str) -> None:
        """Without `ready`, new connections wait for `offer`."""
        self._job_server = job_server
        self._ready = ready
        self._token = token
        self._has_ready = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        self._sessions: set[Session] = set()

    def offer(self, ready: Ready) -> None:
        """Answer new connections with `ready`; tell the others if the cards have changed."""
        before, self._ready = self._ready, ready
        self._has_ready.set()
        if before is not None and before.models != ready.models:
            for session in self._sessions:
                session.event_queue.put(ModelsChanged(ready.models))

    def send_heartbeats(self) -> None:
        """Send a Heartbeat to all clients now."""
        heartbeat = self._job_server.heartbeat()
        for session in self._sessions:
            session.event_queue.put(heartbeat)

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
        ready = await self._current_ready()
        await connection.send(ready)
        return ready

    async def _current_ready(self) -> Ready:
        if self._ready is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._has_ready.wait(), READY_TIMEOUT)
        if self._ready is None:
            raise WireError("The cluster has no replica that is ready; see its log.")
        return self._ready

    async def _serve_session(self, connection: Connection[Command], ready: Ready) -> None:
        session = Session(self._job_server, connection.abort)
        self._sessions.add(session)
        if self._ready is not None and self._ready.models != ready.models:  # since it was sent
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
