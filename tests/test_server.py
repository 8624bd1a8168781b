"""The engine on a socket, over real connections and with a real, tiny model."""

import asyncio
import contextlib
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
)
from engine.contract.wire import CLOSING_SECONDS, MAX_FRAME_BYTES, Connection, bot_side
from engine.core.worker import Worker
from engine.errors import EngineError, PortInUse
from engine.imaging.encode import sha256
from engine.server import session
from engine.server.session import WAITING_LIMIT
from engine.server.socket_server import HELLO_LIMIT, Reception, bind
from tests.engine_parts import at_work, job, painter, predicting, recipe

TOKEN = "a secret of two processes"  # noqa: S105 - of this test alone


class Engine:
    """A reception on a port, and ways to talk to it."""

    def __init__(self, port: int, reception: Reception) -> None:
        self.port = port
        self.reception = reception

    @contextlib.asynccontextmanager
    async def visitor(self) -> AsyncIterator[Connection[Event]]:
        """A connection that has not said Hello."""
        async with bot_side(*await asyncio.open_connection("127.0.0.1", self.port)) as events:
            yield events

    @contextlib.asynccontextmanager
    async def friend(self) -> AsyncIterator[Connection[Event]]:
        """A connection that has been let in."""
        async with self.visitor() as events:
            await events.send(Hello(TOKEN))
            assert isinstance(await events.receive(), Ready)
            yield events


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    """A running engine with the tiny model; one job is painted, and all others wait."""
    fatal: list[EngineError] = []
    worker = Worker(at_work(at_once=1), fatal.append)
    reception = Reception(worker, Ready(painter().model.card), TOKEN)
    listening = bind(0)
    server = await asyncio.start_server(reception.welcome, sock=listening)
    yield Engine(listening.getsockname()[1], reception)
    server.close()
    await reception.close()
    await asyncio.to_thread(worker.close)
    assert not fatal


async def events_of(events: Connection[Event], name: str) -> list[Event]:
    """All of one job's events, to its ending."""
    seen: list[Event] = []
    while True:
        event = await asyncio.wait_for(events.receive(), 60)
        assert event is not None and not isinstance(event, Ready | Rejected), event
        if not isinstance(event, Heartbeat) and event.job == name:
            seen.append(event)
            if isinstance(event, Ending):
                return seen


async def rejection(engine: Engine, *said: Command) -> str:
    """Why the engine closes the connection on which this is said."""
    async with engine.visitor() as events:
        for command in said:
            await events.send(command)
        answers = [await events.receive()]
        while answers[-1] is not None:
            answers.append(await events.receive())
        rejected = answers[-2]
        assert isinstance(rejected, Rejected)
        return rejected.reason


async def test_a_job_ends_with_its_pictures(engine: Engine) -> None:
    """A job is queued, steps forward with a preview at times, and ends once, with pictures."""
    async with engine.friend() as events:
        await events.send(job(recipe(steps=90), recipe(steps=90, seed=8)))
        seen = await events_of(events, "a")
    assert isinstance(seen[0], Queued | Stepped)
    steps = [event for event in seen if isinstance(event, Stepped)]
    assert [event.step for event in steps] == sorted({event.step for event in steps})
    assert all(event.steps == 90 for event in steps)
    assert any(event.preview for event in steps)
    painted = seen[-1]
    assert isinstance(painted, Painted)
    assert len({picture.sha256 for picture in painted.pictures}) == 2
    assert all(sha256(picture.png) == picture.sha256 for picture in painted.pictures)
    assert painted.seconds > 0


async def test_only_those_with_the_token_are_let_in(engine: Engine) -> None:
    """A wrong token, another version, or no Hello at all: a reason, and the door."""
    assert "token" in await rejection(engine, Hello("guess"))
    assert "version" in await rejection(engine, Hello(TOKEN, version=99))
    assert "Hello" in await rejection(engine, job())


async def test_hello_is_said_once(engine: Engine) -> None:
    """A second Hello makes no sense."""
    assert "already" in await rejection(engine, Hello(TOKEN), Hello(TOKEN))


async def test_a_job_is_sent_once(engine: Engine) -> None:
    """The same job and attempt twice makes no sense: it would have two endings."""
    long = job(recipe(steps=150))
    assert "twice" in await rejection(engine, Hello(TOKEN), long, long)


@pytest.mark.parametrize(
    "frame",
    [b"\x00\x00\x00\x02{}", b"\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x09ab"],
    ids=["json", "too large", "http", "cut short"],
)
async def test_a_bad_frame_closes_its_connection_only(engine: Engine, frame: bytes) -> None:
    """Whatever comes in, the sender gets a reason and everybody else goes on."""
    async with engine.friend() as other:
        reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
        async with bot_side(reader, writer) as events:
            writer.write(frame)
            writer.write_eof()
            assert isinstance(await events.receive(), Rejected)
            assert await events.receive() is None
        await other.send(job())
        assert isinstance((await events_of(other, "a"))[-1], Painted)


@pytest.mark.parametrize("known", [True, False], ids=["after Hello", "instead of Hello"])
async def test_a_frame_that_is_too_large_is_told_so_to_its_end(engine: Engine, known: bool) -> None:
    """Whoever is still sending it gets the reason, and not a connection that broke."""
    reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
    async with bot_side(reader, writer) as events:
        if known:
            await events.send(Hello(TOKEN))
            assert isinstance(await events.receive(), Ready)
        writer.write((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
        writer.write(bytes(MAX_FRAME_BYTES + 1))
        await writer.drain()
        rejected = await events.receive()
        assert isinstance(rejected, Rejected)
        assert f"A frame of {MAX_FRAME_BYTES + 1} bytes" in rejected.reason
        assert await events.receive() is None


async def test_nobody_unknown_has_much_kept(engine: Engine) -> None:
    """A large frame is for those with the token: others are turned away before it has come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
    async with bot_side(reader, writer) as events:
        writer.write((HELLO_LIMIT + 1).to_bytes(4, "big"))
        rejected = await events.receive()
        assert isinstance(rejected, Rejected)
        assert f"{HELLO_LIMIT} are allowed" in rejected.reason


async def test_a_reason_quotes_no_more_than_people_read(engine: Engine) -> None:
    """Else a frame of the largest size would be answered with one that is larger."""
    head = b"\x81\xa4type\xdb"
    said = b"N" * (MAX_FRAME_BYTES - len(head) - 4)
    reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
    async with bot_side(reader, writer) as events:
        await events.send(Hello(TOKEN))
        assert isinstance(await events.receive(), Ready)
        writer.write(
            MAX_FRAME_BYTES.to_bytes(4, "big") + head + len(said).to_bytes(4, "big") + said
        )
        await writer.drain()
        rejected = await events.receive()
        assert isinstance(rejected, Rejected)
        assert "NNN" in rejected.reason
        assert len(rejected.reason) < 1000


async def test_a_recipe_that_cannot_be_is_a_bad_frame(engine: Engine) -> None:
    """The engine trusts no recipe: it is checked again when it is read from the wire."""
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
    """A cancel stops a job between two evaluations, and the next job is painted."""
    async with engine.friend() as events:
        await events.send(job(recipe(steps=150), job="long"))
        await events.send(job(job="next"))
        while not isinstance(await events.receive(), Stepped):
            pass
        await events.send(Cancel(job="long", attempt=1))
        assert isinstance((await events_of(events, "long"))[-1], Cancelled)
        assert isinstance((await events_of(events, "next"))[-1], Painted)


async def test_a_waiting_job_is_cancelled_at_once(engine: Engine) -> None:
    """A job that waits ends when it is cancelled, not when its turn comes."""
    async with engine.friend() as events:
        await events.send(job(recipe(steps=150), job="long"))
        await events.send(job(job="waiting"))
        await events.send(Cancel(job="waiting", attempt=1))
        seen = await events_of(events, "waiting")
        assert isinstance(seen[-1], Cancelled)
        await events.send(Cancel(job="long", attempt=1))
        assert isinstance((await events_of(events, "long"))[-1], Cancelled)


async def test_a_full_queue_is_said_to_be(engine: Engine) -> None:
    """Memory has an end, whoever sends the jobs."""
    long = [recipe(steps=150, seed=seed) for seed in range(4)]
    last = f"job {WAITING_LIMIT + 30}"
    async with engine.friend() as one, engine.friend() as other:
        for nth in range(WAITING_LIMIT + 30):
            await one.send(job(*long, job=f"job {nth}"))
        await one.send(job(*long, job=last))
        failed = (await events_of(one, last))[-1]
        await other.send(job(job="another's"))
        refused = (await events_of(other, "another's"))[-1]
    for ended in (failed, refused):
        assert isinstance(ended, Failed)
        assert str(WAITING_LIMIT) in ended.reason


async def test_cancelling_an_unknown_job_is_no_error(engine: Engine) -> None:
    """A cancel may cross its job's ending on the way."""
    async with engine.friend() as events:
        await events.send(Cancel(job="never", attempt=3))
        await events.send(job())
        assert isinstance((await events_of(events, "a"))[-1], Painted)


async def test_a_lost_connection_takes_its_jobs_along(engine: Engine) -> None:
    """Nobody waits behind the jobs of a bot that is gone."""
    async with engine.friend() as gone:
        for name in "abc":
            await gone.send(job(*[recipe(steps=150)] * 4, job=name))
        await gone.receive()
    async with engine.friend() as events:
        await events.send(job(job="mine"))
        seen = await asyncio.wait_for(events_of(events, "mine"), 5)
    assert isinstance(seen[-1], Painted)


async def test_a_job_that_cannot_be_painted_says_why(engine: Engine) -> None:
    """A job fails in words, and the engine goes on."""
    async with engine.friend() as events:
        await events.send(job(recipe(model="another"), job="model"))
        await events.send(job(recipe(sampler="lcm", steps=60), job="steps"))
        await events.send(job(recipe(source="00", strength=0.5), job="sketch", source=b"?"))
        await events.send(job(recipe(width=2048, height=2048), job="size"))
        failures = [await events_of(events, name) for name in ("model", "steps", "sketch", "size")]
        await events.send(job())
        assert isinstance((await events_of(events, "a"))[-1], Painted)
    reasons = [seen[-1].reason for seen in failures if isinstance(seen[-1], Failed)]
    assert len(reasons) == 4
    assert "another" in reasons[0]
    assert "60 steps" in reasons[1]
    assert "sketch" in reasons[2]
    assert "too large" in reasons[3]


async def test_attempts_of_a_job_are_told_apart(engine: Engine) -> None:
    """Two attempts of one job each have their ending, which bears their number."""
    async with engine.friend() as events:
        for attempt in (1, 2):
            await events.send(job(attempt=attempt))
        endings = [(await events_of(events, "a"))[-1] for _ in range(2)]
    assert sorted(ending.attempt for ending in endings if isinstance(ending, Painted)) == [1, 2]


def test_a_port_that_is_taken_is_said_to_be() -> None:
    """Two engines cannot have one port."""
    with bind(0) as first, pytest.raises(PortInUse, match="Port"):
        bind(first.getsockname()[1])


async def test_the_engine_has_a_pulse(engine: Engine) -> None:
    """For each who listens, while it works and while it does not."""
    async with engine.friend() as one, engine.friend() as other:
        first = await asyncio.wait_for(one.receive(), 2 * HEARTBEAT_SECONDS)
        assert isinstance(first, Heartbeat)
        assert isinstance(await asyncio.wait_for(other.receive(), HEARTBEAT_SECONDS), Heartbeat)
        await one.send(job(recipe(steps=3)))
        await events_of(one, "a")
        second = await asyncio.wait_for(one.receive(), 2 * HEARTBEAT_SECONDS)
        assert isinstance(second, Heartbeat)
        assert second.ticks == first.ticks + 3


async def test_the_pulse_goes_on_while_a_picture_is_painted(engine: Engine) -> None:
    """It comes from the loop that listens, not from the one that paints."""
    go_on = threading.Event()
    with predicting(painter(), lambda _: go_on.wait(20)):
        async with engine.friend() as events:
            await events.send(job(recipe(steps=1)))
            event = await asyncio.wait_for(events.receive(), 2 * HEARTBEAT_SECONDS)
            while not isinstance(event, Heartbeat):
                event = await asyncio.wait_for(events.receive(), 2 * HEARTBEAT_SECONDS)
            go_on.set()
            assert (event.painting, event.ticks) == (1, 0)
            assert isinstance((await events_of(events, "a"))[-1], Painted)


@contextlib.asynccontextmanager
async def deaf(engine: Engine, jobs: int) -> AsyncIterator[Connection[Event]]:
    """A connection that sends jobs, which are painted, and reads nothing of what comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", engine.port, limit=1024)
    connection = bot_side(reader, writer)
    await connection.send(Hello(TOKEN))
    large = [recipe(width=512, height=512, steps=1, guidance=1.0, seed=n) for n in range(4)]
    for nth in range(jobs):
        await connection.send(job(*large, job=f"j{nth}", previews=False))
    async with engine.friend() as events:
        await events.send(job(job="last"))
        await events_of(events, "last")
    yield connection
    writer.transport.abort()


async def test_who_does_not_read_does_not_hold_up_the_end(engine: Engine) -> None:
    """Of the engine: connections that take nothing are cut."""
    async with deaf(engine, 8), asyncio.timeout(CLOSING_SECONDS + 5):
        await engine.reception.close()


@pytest.mark.parametrize("rejected", [True, False])
async def test_the_engine_ends_without_a_fuss(engine: Engine, rejected: bool) -> None:
    """With connections that are open, and one that does not read why it is rejected."""
    fuss: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: fuss.append(context))
    async with engine.friend(), engine.visitor(), deaf(engine, 8 if rejected else 0) as connection:
        if rejected:
            await connection.send(Hello(TOKEN))
            await asyncio.sleep(CLOSING_SECONDS / 4)
        await engine.reception.close()
        await asyncio.sleep(0)
    assert fuss == []


async def test_who_never_reads_is_cut(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Memory has an end; the log says why, and others are served."""
    monkeypatch.setattr(session, "UNREAD_LIMIT", 2**20)
    async with deaf(engine, 8) as connection, asyncio.timeout(20):
        with pytest.raises(OSError, match=r"reset|lost|Broken"):
            while True:
                await connection.send(Cancel(job="j0", attempt=1))
                await asyncio.sleep(0.05)
    assert caplog.text.count("it does not read") == 1
    async with engine.friend() as events:
        await events.send(job())
        assert isinstance((await events_of(events, "a"))[-1], Painted)
