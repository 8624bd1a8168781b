"""The engine's server, over real connections and with a tiny model."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator

import msgspec
import pytest

from engine.contract import (
    HEARTBEAT_SECONDS,
    Cancel,
    Cancelled,
    Command,
    Ending,
    Event,
    Failed,
    Heartbeat,
    Hello,
    Painted,
    Queued,
    Ready,
    Rejected,
    Stepped,
    sha256,
)
from engine.contract.wire import CLOSING_SECONDS, MAX_FRAME_BYTES, Connection, bot_side
from engine.core.worker import Worker
from engine.errors import EngineError, PortInUse
from engine.server import session
from engine.server.session import MAX_WAITING_JOBS
from engine.server.socket_server import MAX_HELLO_BYTES, ConnectionHandler, bind
from tests.bot_harness import eventually
from tests.engine_parts import before_each_pass, engine_core, job, new_engine_core, recipe

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
    handler = ConnectionHandler(worker, Ready(engine_core().model.card), TOKEN)
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
        assert event is not None and not isinstance(event, Ready | Rejected), event
        if not isinstance(event, Heartbeat) and event.job == name:
            job_events.append(event)
            if isinstance(event, Ending):
                return job_events


async def rejection(engine: Engine, *commands: Command) -> str:
    """The reason with which the engine closes a connection after these commands."""
    async with engine.connect() as events:
        for command in commands:
            await events.send(command)
        received = [await events.receive()]
        while received[-1] is not None:
            received.append(await events.receive())
        rejected = received[-2]
        assert isinstance(rejected, Rejected)
        return rejected.reason


async def test_a_job_ends_with_its_pictures(engine: Engine) -> None:
    """The events of a job are Queued, Stepped (some with a preview) and one Painted."""
    async with engine.connect_authenticated() as events:
        await events.send(job(recipe(steps=90), recipe(steps=90, seed=8)))
        job_events = await events_of(events, "a")
    assert isinstance(job_events[0], Queued | Stepped)
    steps = [event for event in job_events if isinstance(event, Stepped)]
    assert [event.step for event in steps] == sorted({event.step for event in steps})
    assert all(event.steps == 90 for event in steps)
    assert any(event.preview for event in steps)
    painted = job_events[-1]
    assert isinstance(painted, Painted)
    assert len({picture.sha256 for picture in painted.pictures}) == 2
    assert all(sha256(picture.png) == picture.sha256 for picture in painted.pictures)
    assert painted.seconds > 0


async def test_a_connection_without_the_token_is_rejected(engine: Engine) -> None:
    """A wrong token, another protocol version and a missing Hello have different reasons."""
    assert "token" in await rejection(engine, Hello("guess"))
    assert "version" in await rejection(engine, Hello(TOKEN, version=99))
    assert "Hello" in await rejection(engine, job())


async def test_a_second_hello_is_rejected(engine: Engine) -> None:
    """There is one handshake per connection."""
    assert "already" in await rejection(engine, Hello(TOKEN), Hello(TOKEN))


async def test_a_repeated_job_is_rejected(engine: Engine) -> None:
    """The same job and attempt would have two endings."""
    long = job(recipe(steps=150))
    assert "twice" in await rejection(engine, Hello(TOKEN), long, long)


@pytest.mark.parametrize(
    "frame",
    [b"\x00\x00\x00\x02{}", b"\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x09ab"],
    ids=["json", "too large", "http", "cut short"],
)
async def test_a_bad_frame_closes_its_connection_only(engine: Engine, frame: bytes) -> None:
    """The sender receives a reason, and other connections stay open."""
    async with engine.connect_authenticated() as unaffected:
        reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
        async with bot_side(reader, writer) as events:
            writer.write(frame)
            writer.write_eof()
            assert isinstance(await events.receive(), Rejected)
            assert await events.receive() is None
        await unaffected.send(job())
        assert isinstance((await events_of(unaffected, "a"))[-1], Painted)


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
        rejected = await events.receive()
        assert isinstance(rejected, Rejected)
        assert f"The frame has {MAX_FRAME_BYTES + 1} bytes" in rejected.reason
        assert await events.receive() is None


async def test_a_large_first_frame_is_rejected(engine: Engine) -> None:
    """The length of the frame is checked before the token is known."""
    reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
    async with bot_side(reader, writer) as events:
        writer.write((MAX_HELLO_BYTES + 1).to_bytes(4, "big"))
        rejected = await events.receive()
        assert isinstance(rejected, Rejected)
        assert f"{MAX_HELLO_BYTES} are allowed" in rejected.reason


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
        rejected = await events.receive()
        assert isinstance(rejected, Rejected)
        assert "NNN" in rejected.reason
        assert len(rejected.reason) < 1000


async def test_an_invalid_recipe_is_a_bad_frame(engine: Engine) -> None:
    """Decoding a recipe validates it."""
    body = msgspec.msgpack.encode(job())
    body = body.replace(b"\xa5steps\x04", b"\xa5steps\x00")
    reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
    async with bot_side(reader, writer) as events:
        await events.send(Hello(TOKEN))
        assert isinstance(await events.receive(), Ready)
        writer.write(len(body).to_bytes(4, "big") + body)
        rejected = await events.receive()
    assert isinstance(rejected, Rejected)
    assert "Steps is 0" in rejected.reason


async def test_a_running_job_can_be_cancelled(engine: Engine) -> None:
    """The job stops between two evaluations, and the next one starts."""
    async with engine.connect_authenticated() as events:
        await events.send(job(recipe(steps=150), job="long"))
        await events.send(job(job="next"))
        while not isinstance(await events.receive(), Stepped):
            pass
        await events.send(Cancel(job="long", attempt=1))
        assert isinstance((await events_of(events, "long"))[-1], Cancelled)
        assert isinstance((await events_of(events, "next"))[-1], Painted)


async def test_a_waiting_job_is_cancelled_at_once(engine: Engine) -> None:
    """Its ending does not wait for its turn."""
    async with engine.connect_authenticated() as events:
        await events.send(job(recipe(steps=150), job="long"))
        await events.send(job(job="waiting"))
        await events.send(Cancel(job="waiting", attempt=1))
        job_events = await events_of(events, "waiting")
        assert isinstance(job_events[-1], Cancelled)
        await events.send(Cancel(job="long", attempt=1))
        assert isinstance((await events_of(events, "long"))[-1], Cancelled)


async def test_a_job_for_a_full_queue_fails(engine: Engine) -> None:
    """All connections share the limit."""
    long = [recipe(steps=150, seed=seed) for seed in range(4)]
    last = f"job {MAX_WAITING_JOBS + 30}"
    async with engine.connect_authenticated() as first, engine.connect_authenticated() as second:
        for nth in range(MAX_WAITING_JOBS + 30):
            await first.send(job(*long, job=f"job {nth}"))
        await first.send(job(*long, job=last))
        endings = [(await events_of(first, last))[-1]]
        await second.send(job(job="another's"))
        endings.append((await events_of(second, "another's"))[-1])
    for ending in endings:
        assert isinstance(ending, Failed)
        assert str(MAX_WAITING_JOBS) in ending.reason


async def test_cancelling_an_unknown_job_is_ignored(engine: Engine) -> None:
    """A job may end while Cancel is on its way."""
    async with engine.connect_authenticated() as events:
        await events.send(Cancel(job="never", attempt=3))
        await events.send(job())
        assert isinstance((await events_of(events, "a"))[-1], Painted)


async def test_a_lost_connection_cancels_its_jobs(engine: Engine) -> None:
    """The next job of another connection starts."""
    async with engine.connect_authenticated() as closing:
        for name in "abc":
            await closing.send(job(*[recipe(steps=150)] * 4, job=name))
        await closing.receive()
    async with engine.connect_authenticated() as events:
        await events.send(job(job="mine"))
        job_events = await events_of(events, "mine")
    assert isinstance(job_events[-1], Painted)


async def test_an_invalid_job_fails_with_a_reason(engine: Engine) -> None:
    """The engine continues with the next job."""
    async with engine.connect_authenticated() as events:
        await events.send(job(recipe(model="another"), job="model"))
        await events.send(job(recipe(sampler="lcm", steps=60), job="steps"))
        await events.send(job(recipe(source="00", strength=0.5), job="sketch", source=b"?"))
        await events.send(job(recipe(width=2048, height=2048), job="size"))
        failures = [await events_of(events, name) for name in ("model", "steps", "sketch", "size")]
        await events.send(job())
        assert isinstance((await events_of(events, "a"))[-1], Painted)
    endings = [job_events[-1] for job_events in failures]
    reasons = [ending.reason for ending in endings if isinstance(ending, Failed)]
    assert len(reasons) == 4
    assert "another" in reasons[0]
    assert "60 steps" in reasons[1]
    assert "sketch" in reasons[2]
    assert "too large" in reasons[3]


async def test_each_attempt_of_a_job_has_its_own_ending(engine: Engine) -> None:
    """The ending contains the number of the attempt."""
    async with engine.connect_authenticated() as events:
        for attempt in (1, 2):
            await events.send(job(attempt=attempt))
        endings = [(await events_of(events, "a"))[-1] for _ in range(2)]
    assert sorted(ending.attempt for ending in endings if isinstance(ending, Painted)) == [1, 2]


def test_a_used_port_is_an_error() -> None:
    """Two engines cannot listen on one port."""
    with bind(0) as first, pytest.raises(PortInUse, match="Port"):
        bind(first.getsockname()[1])


async def test_heartbeats_are_sent_on_each_connection(engine: Engine) -> None:
    """Heartbeats are sent while the engine is idle and after it has painted."""
    async with engine.connect_authenticated() as connection, engine.connect_authenticated() as idle:
        first = await asyncio.wait_for(connection.receive(), 2 * HEARTBEAT_SECONDS)
        assert isinstance(first, Heartbeat)
        assert isinstance(await asyncio.wait_for(idle.receive(), HEARTBEAT_SECONDS), Heartbeat)
        await connection.send(job(recipe(steps=3)))
        await events_of(connection, "a")
        second = await asyncio.wait_for(connection.receive(), 2 * HEARTBEAT_SECONDS)
        assert isinstance(second, Heartbeat)
        assert second.ticks == first.ticks + 3


async def test_heartbeats_continue_during_a_forward_pass(engine: Engine) -> None:
    """The event loop sends them, in another thread than that of the engine core."""
    may_continue = threading.Event()
    with before_each_pass(engine_core(), lambda _: may_continue.wait(20)):
        async with engine.connect_authenticated() as events:
            await events.send(job(recipe(steps=1)))
            event = await asyncio.wait_for(events.receive(), 2 * HEARTBEAT_SECONDS)
            while not isinstance(event, Heartbeat):
                event = await asyncio.wait_for(events.receive(), 2 * HEARTBEAT_SECONDS)
            may_continue.set()
            assert (event.painting, event.ticks) == (1, 0)
            assert isinstance((await events_of(events, "a"))[-1], Painted)


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
        assert isinstance((await events_of(events, "a"))[-1], Painted)
