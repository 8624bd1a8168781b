"""The real server alone: large frames, and peers that do not read.

The rest of its protocol is in test_engine_contract.py.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from engine.contract import (
    Cancel,
    Completed,
    Ending,
    Event,
    Heartbeat,
    Hello,
    ModelsChanged,
    Ready,
    Rejected,
)
from engine.contract.wire import CLOSING_SECONDS, MAX_FRAME_BYTES, Connection, bot_side
from engine.core.worker import Worker
from engine.errors import EngineError, PortInUse
from engine.server import session
from engine.server.connection_handler import ConnectionHandler
from engine.server.socket_server import bind
from tests.bot_harness import eventually
from tests.engine_parts import engine_core, job, new_engine_core, recipe

TOKEN = "a secret of two processes"  # noqa: S105 - of this test alone


class Engine:
    """A server on a port, and clients for it."""

    def __init__(self, port: int, handler: ConnectionHandler) -> None:
        self.port = port
        self.handler = handler

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection[Event]]:
        """A connection that has not sent Hello."""
        async with bot_side(*await asyncio.open_connection("127.0.0.1", self.port)) as events:
            yield events

    @contextlib.asynccontextmanager
    async def connect_authenticated(self) -> AsyncIterator[Connection[Event]]:
        """A connection that has received Ready."""
        async with self.connect() as events:
            await events.send(Hello(TOKEN))
            assert isinstance(await events.receive(), Ready)
            yield events


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    """A running engine with the tiny model, which paints one job at a time."""
    fatal: list[EngineError] = []
    worker = Worker(new_engine_core(max_running=1), fatal.append)
    handler = ConnectionHandler(worker, Ready((engine_core().model.card,)), TOKEN)
    listener = bind(0)
    server = await asyncio.start_server(handler.handle, sock=listener)
    yield Engine(listener.getsockname()[1], handler)
    server.close()
    await handler.close()
    await asyncio.to_thread(worker.close)
    assert not fatal


async def events_of(events: Connection[Event], name: str) -> list[Event]:
    """All events of one job, to its ending."""
    job_events: list[Event] = []
    while True:
        event = await asyncio.wait_for(events.receive(), 60)
        assert event is not None and not isinstance(event, Ready | ModelsChanged | Rejected), event
        if not isinstance(event, Heartbeat) and event.job == name:
            job_events.append(event)
            if isinstance(event, Ending):
                return job_events


@pytest.mark.parametrize("authenticated", [True, False], ids=["after Hello", "instead of Hello"])
async def test_the_sender_of_too_large_a_frame_receives_the_reason(
    engine: Engine, authenticated: bool
) -> None:
    """The connection is not reset even if the sender reads only after the whole frame."""
    reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
    async with bot_side(reader, writer) as events:
        if authenticated:
            await events.send(Hello(TOKEN))
            assert isinstance(await events.receive(), Ready)
        writer.write((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
        writer.write(bytes(MAX_FRAME_BYTES + 1))
        await writer.drain()
        while isinstance(rejected := await events.receive(), Heartbeat):
            pass
        assert isinstance(rejected, Rejected)
        assert f"The frame has {MAX_FRAME_BYTES + 1} bytes" in rejected.reason
        assert await events.receive() is None


async def test_a_reason_is_truncated(engine: Engine) -> None:
    """Otherwise the answer to a frame of the maximum size would be larger than a frame."""
    head = b"\x81\xa4type\xdb"
    text = b"N" * (MAX_FRAME_BYTES - len(head) - 4)
    reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
    async with bot_side(reader, writer) as events:
        await events.send(Hello(TOKEN))
        assert isinstance(await events.receive(), Ready)
        writer.write(
            MAX_FRAME_BYTES.to_bytes(4, "big") + head + len(text).to_bytes(4, "big") + text
        )
        await writer.drain()
        while isinstance(rejected := await events.receive(), Heartbeat):
            pass
        assert isinstance(rejected, Rejected)
        assert "NNN" in rejected.reason
        assert len(rejected.reason) < 1000


def test_a_used_port_is_an_error() -> None:
    """Two engines cannot listen on one port."""
    with bind(0) as first, pytest.raises(PortInUse, match="Port"):
        bind(first.getsockname()[1])


@contextlib.asynccontextmanager
async def unread_connection(engine: Engine, jobs: int) -> AsyncIterator[Connection[Event]]:
    """A connection that submits jobs and does not read their events, which fill its buffers."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", engine.port))
    client.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=client, limit=1024)
    connection = bot_side(reader, writer)
    await connection.send(Hello(TOKEN))
    large = [recipe(width=512, height=512, steps=1, guidance=1.0, seed=n) for n in range(4)]
    for nth in range(jobs):
        await connection.send(job(*large, job=f"j{nth}", previews=False))
    async with engine.connect_authenticated() as events:
        await events.send(job(job="last"))
        await events_of(events, "last")
    yield connection
    writer.transport.abort()


async def test_a_connection_that_does_not_read_does_not_delay_closing(engine: Engine) -> None:
    """The connection is aborted."""
    async with unread_connection(engine, 3), asyncio.timeout(CLOSING_SECONDS + 5):
        await engine.handler.close()


@pytest.mark.parametrize("rejected", [True, False])
async def test_closing_logs_no_error_of_asyncio(
    engine: Engine, rejected: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """One of the open connections does not read the reason for its rejection."""
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    async with (
        engine.connect_authenticated(),
        engine.connect(),
        unread_connection(engine, 3 if rejected else 0) as connection,
    ):
        if rejected:
            await connection.send(Hello(TOKEN))
            await eventually(lambda: "connection rejected" in caplog.text)
        await engine.handler.close()
        await asyncio.sleep(0)
    assert errors == []


async def test_a_connection_that_never_reads_is_aborted(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its unsent events are limited; the log has the reason, and other connections are served."""
    monkeypatch.setattr(session, "MAX_UNSENT_BYTES", 2**20)
    async with unread_connection(engine, 3) as connection, asyncio.timeout(20):
        with pytest.raises(OSError, match=r"reset|lost|Broken"):
            while True:
                await connection.send(Cancel(job="j0", attempt=1))
                await asyncio.sleep(0.05)
    assert caplog.text.count("the peer does not read") == 1
    async with engine.connect_authenticated() as events:
        await events.send(job())
        assert isinstance((await events_of(events, "a"))[-1], Completed)
