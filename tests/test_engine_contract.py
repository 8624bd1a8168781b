"""The engine's protocol on a socket: the same tests for the fake engine, the server and a cluster.

This file has the tests of connections and of the queue; test_engine_contract_jobs.py has those of
pictures.
"""

import asyncio

import msgspec
import pytest

from bot.engine_client.base import EngineDied
from bot.engine_client.socket_client import SocketEngineClient
from engine.contract import (
    HEARTBEAT_SECONDS,
    PROTOCOL_VERSION,
    Cancel,
    Cancelled,
    Command,
    Completed,
    Ending,
    Event,
    Failed,
    Heartbeat,
    Hello,
    Paint,
    Queued,
    Ready,
    Stepped,
)
from engine.contract.wire import Connection, bot_side
from tests.engine_subjects import StartEngine, Subject
from tests.engine_wire import (
    BAD_FRAMES,
    connect,
    connect_authenticated,
    ending_of,
    events_of,
    job,
    next_event,
    paint,
    pictures_in,
    rejection,
    until,
    wait_for,
)
from tests.samples import recipe

MANY_STEPS = 150
NO_HELLO = "The first message must be Hello, with the token."


# The handshake


async def test_ready_describes_the_model(subject: Subject) -> None:
    """A job with the defaults of the card is painted."""
    async with connect(subject.endpoint) as connection:
        await connection.send(Hello(subject.endpoint.token))
        ready = await connection.receive()
        assert isinstance(ready, Ready)
        [card] = ready.models
        assert card == subject.model
        a_job = job(subject, sampler=card.sampler, guidance=card.guidance, steps=2)
        [plain] = card.with_row_class([a_job.recipes[0].recipe])
        [picture] = await paint(connection, Paint(job="a", attempt=1, recipes=(plain,)))
        assert (picture.row_class, picture.fingerprint) == (plain.row_class, card.fingerprint)


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (Hello("guess"), "The token is wrong."),
        (Hello(""), "The token is wrong."),
        (Hello("guess", version=99), "The token is wrong."),
        (Cancel(job="a", attempt=1), NO_HELLO),
        (Paint(job="a", attempt=1, recipes=(recipe(),)), NO_HELLO),
    ],
)
async def test_a_connection_without_the_token_is_rejected(
    subject: Subject, first: Command, reason: str
) -> None:
    """Other connections stay open. A wrong version is not mentioned to a stranger."""
    async with connect_authenticated(subject.endpoint) as other:
        async with connect(subject.endpoint) as connection:
            await connection.send(first)
            assert await rejection(connection) == reason
        assert await paint(other, job(subject))


async def test_another_version_is_rejected(subject: Subject) -> None:
    """The reason has both versions."""
    async with connect(subject.endpoint) as connection:
        await connection.send(Hello(subject.endpoint.token, version=99))
        expected = f"The protocol version is 99; this engine has {PROTOCOL_VERSION}."
        assert await rejection(connection) == expected


async def test_a_second_hello_is_rejected(subject: Subject, events: Connection[Event]) -> None:
    """There is one handshake per connection."""
    await events.send(Hello(subject.endpoint.token))
    assert await rejection(events) == "Hello was already received."


async def test_a_client_that_says_nothing_gets_no_ready(subject: Subject) -> None:
    """It closes its side without Hello."""
    reader, writer = await asyncio.open_connection(subject.endpoint.host, subject.endpoint.port)
    async with bot_side(reader, writer) as connection:
        writer.write_eof()
        assert await rejection(connection) == NO_HELLO


async def test_a_large_first_frame_is_rejected(subject: Subject) -> None:
    """The length of the frame is checked before the token is known."""
    reader, writer = await asyncio.open_connection(subject.endpoint.host, subject.endpoint.port)
    async with bot_side(reader, writer) as connection:
        writer.write((2**16 + 1).to_bytes(4, "big"))
        expected = "The frame has 65537 bytes; at most 65536 are allowed."
        assert await rejection(connection) == expected


async def test_the_client_has_the_reason_of_a_rejection(subject: Subject) -> None:
    """The bot's client raises it."""
    endpoint = msgspec.structs.replace(subject.endpoint, token="wrong")  # noqa: S106 # that is the test
    with pytest.raises(EngineDied, match="The token is wrong"):
        async with SocketEngineClient().connect(endpoint):
            pass


# Frames that are no commands


@pytest.mark.parametrize("name", ["json", "http", "truncated", "unknown type"])
async def test_a_bad_first_frame_is_rejected(subject: Subject, name: str) -> None:
    """A program that speaks another protocol receives the reason too."""
    bad, reason = BAD_FRAMES[name]
    reader, writer = await asyncio.open_connection(subject.endpoint.host, subject.endpoint.port)
    async with bot_side(reader, writer) as connection:
        writer.write(bad)
        writer.write_eof()
        assert reason in await rejection(connection)


@pytest.mark.parametrize("name", BAD_FRAMES)
async def test_a_bad_frame_ends_its_connection_only(subject: Subject, name: str) -> None:
    """The sender receives the reason, and the jobs of other connections go on."""
    bad, reason = BAD_FRAMES[name]
    async with connect_authenticated(subject.endpoint) as other:
        await other.send(job(subject))
        reader, writer = await asyncio.open_connection(subject.endpoint.host, subject.endpoint.port)
        async with bot_side(reader, writer) as connection:
            await connection.send(Hello(subject.endpoint.token))
            assert isinstance(await connection.receive(), Ready)
            writer.write(bad)
            writer.write_eof()
            assert reason in await rejection(connection)
        assert isinstance((await events_of(other, "a"))[-1], Completed)


# The queue


async def test_jobs_run_at_the_same_time(subject: Subject, events: Connection[Event]) -> None:
    """Each has its own ending, with its attempt."""
    for attempt in (1, 2, 3):
        await events.send(job(subject, "a", attempt, attempt=attempt))
    await events.send(job(subject, "b", 4))
    endings: dict[tuple[str, int], Event] = {}
    while len(endings) < 4:
        if isinstance(event := await next_event(events), Ending):
            assert (event.job, event.attempt) not in endings
            endings[event.job, event.attempt] = event
    assert sorted(endings) == [("a", 1), ("a", 2), ("a", 3), ("b", 1)]
    assert all(isinstance(ending, Completed) for ending in endings.values())


async def test_connections_have_their_own_jobs(subject: Subject) -> None:
    """Two clients may use the same names, and receive the events of their own jobs alone."""
    async with (
        connect_authenticated(subject.endpoint) as first,
        connect_authenticated(subject.endpoint) as second,
    ):
        await first.send(job(subject, "a", 1))
        await second.send(job(subject, "a", 2))
        all_events = [await events_of(each, "a") for each in (first, second)]
        digests = [pictures_in(its_events)[0].sha256 for its_events in all_events]
        assert len(set(digests)) == 2
        await first.send(job(subject, "b"))
        await second.send(Cancel(job="b", attempt=1))
        assert isinstance((await events_of(first, "b"))[-1], Completed)
        [picture] = await paint(second, job(subject, "c", 1))  # asserts that it gets no other event
        assert picture.sha256 == digests[0]


async def test_a_repeated_job_is_rejected(subject: Subject, events: Connection[Event]) -> None:
    """It would have two endings. The first one is cancelled with its connection."""
    subject.hold()
    long = job(subject, steps=MANY_STEPS)
    await events.send(long)
    await events.send(long)
    assert await rejection(events) == "Job a, attempt 1, was sent twice."
    await until(lambda: not subject.unfinished)


async def test_a_job_may_be_repeated_after_its_ending(
    subject: Subject, events: Connection[Event]
) -> None:
    """It is painted again."""
    assert await paint(events, job(subject)) == await paint(events, job(subject))


async def test_waiting_jobs_receive_their_position(start_engine: StartEngine) -> None:
    """It is the number of jobs that start before them; they start in order."""
    async with (
        start_engine(max_running=1) as subject,
        connect_authenticated(subject.endpoint) as events,
    ):
        subject.hold()
        await events.send(job(subject, "a", steps=MANY_STEPS))
        await wait_for(events, Stepped, "a")
        for name in "bcd":
            await events.send(job(subject, name))
        while (await wait_for(events, Queued, "d")).jobs_ahead != 2:
            pass
        await events.send(Cancel(job="b", attempt=1))
        await wait_for(events, Cancelled, "b")
        while (await wait_for(events, Queued, "d")).jobs_ahead != 1:
            pass
        await events.send(Cancel(job="a", attempt=1))
        subject.release()
        endings: list[str] = []
        while len(endings) < 3:
            if isinstance(event := await next_event(events), Ending):
                endings.append(event.job)
        assert endings == ["a", "c", "d"]


async def test_a_job_for_a_full_queue_fails(start_engine: StartEngine) -> None:
    """All connections share the limit."""
    reason = "256 jobs are waiting, which is the limit. Try again later."
    async with (
        start_engine(max_running=1) as subject,
        connect_authenticated(subject.endpoint) as first,
        connect_authenticated(subject.endpoint) as second,
    ):
        subject.hold()
        await first.send(job(subject, "long", steps=MANY_STEPS))
        await wait_for(first, Stepped, "long")
        for nth in range(257):
            await first.send(job(subject, f"job {nth}"))
        ending = await wait_for(first, Failed, "job 256")
        assert ending == Failed(job="job 256", attempt=1, reason=reason)
        await second.send(job(subject))
        assert (await events_of(second, "a"))[-1] == Failed(job="a", attempt=1, reason=reason)


# Cancelling


async def test_a_running_job_is_cancelled(subject: Subject, events: Connection[Event]) -> None:
    """It ends once, with the time that it took, and the next job is painted."""
    subject.hold()
    await events.send(job(subject, "long", steps=MANY_STEPS))
    await wait_for(events, Stepped, "long")
    for _ in range(2):
        await events.send(Cancel(job="long", attempt=1))
    ending = await ending_of(events, "long")
    assert isinstance(ending, Cancelled)
    assert ending.engine_seconds > 0
    subject.release()
    assert await paint(events, job(subject))  # asserts that no event of the other job follows


async def test_a_waiting_job_is_cancelled_at_once(start_engine: StartEngine) -> None:
    """It costs nothing, and its ending does not wait for its turn."""
    async with (
        start_engine(max_running=1) as subject,
        connect_authenticated(subject.endpoint) as events,
    ):
        subject.hold()
        await events.send(job(subject, "long", steps=MANY_STEPS))
        await wait_for(events, Stepped, "long")
        await events.send(job(subject, "waiting"))
        await events.send(Cancel(job="waiting", attempt=1))
        ending = await ending_of(events, "waiting")
        assert ending == Cancelled(job="waiting", attempt=1)


async def test_cancelling_what_does_not_run_is_ignored(
    subject: Subject, events: Connection[Event]
) -> None:
    """A job that is not known yet, that has ended, or another attempt."""
    for attempt in (1, 2):
        await events.send(Cancel(job="a", attempt=attempt))
    assert await paint(events, job(subject))
    await events.send(Cancel(job="a", attempt=1))
    subject.hold()
    await events.send(job(subject, "b"))
    await wait_for(events, Stepped, "b")
    await events.send(Cancel(job="b", attempt=2))
    subject.release()
    assert isinstance((await events_of(events, "b"))[-1], Completed)


# The ends of connections and engines


async def test_a_lost_connection_cancels_its_jobs(start_engine: StartEngine) -> None:
    """After a reconnection, the same jobs may be sent again."""
    async with start_engine(max_running=1) as subject:
        subject.hold()
        async with connect_authenticated(subject.endpoint) as closing:
            for name in "abc":
                await closing.send(job(subject, name, steps=MANY_STEPS))
            await wait_for(closing, Stepped, "a")
            assert subject.unfinished == 3
        await until(lambda: not subject.unfinished)
        subject.release()
        async with connect_authenticated(subject.endpoint) as events:
            assert await paint(events, job(subject))


async def test_a_shutdown_ends_no_job(subject: Subject, events: Connection[Event]) -> None:
    """The connection is closed without an ending, so that the bot queues the jobs again."""
    subject.hold()
    await events.send(job(subject, "a", steps=MANY_STEPS))
    await wait_for(events, Stepped, "a")
    await events.send(job(subject, "b", steps=MANY_STEPS))
    stopping = asyncio.create_task(subject.stop())
    try:
        async with asyncio.timeout(20):
            while (event := await events.receive()) is not None:
                assert not isinstance(event, Ending)
    except ConnectionError:
        pass  # as if the process was killed
    await stopping
    with pytest.raises(OSError, match="Connect"):
        async with connect(subject.endpoint):
            pass


async def test_the_client_reports_a_shutdown(subject: Subject) -> None:
    """The callers of all its jobs get EngineDied."""
    client = SocketEngineClient()
    subject.hold()
    async with client.connect(subject.endpoint):
        listening = asyncio.create_task(client.listen(lambda _: None))
        jobs = [job(subject, name, steps=MANY_STEPS) for name in "ab"]
        tasks = [asyncio.create_task(client.submit(a_job, lambda _: None)) for a_job in jobs]
        await until(lambda: subject.unfinished == 2)
        await subject.stop()
        await listening
    for task in tasks:
        with pytest.raises(EngineDied):
            await task


async def test_heartbeats_are_sent_on_each_connection(subject: Subject) -> None:
    """They are sent also while a forward pass takes long."""
    subject.hold()
    async with (
        connect_authenticated(subject.endpoint) as busy,
        connect_authenticated(subject.endpoint) as idle,
    ):
        await busy.send(job(subject, steps=MANY_STEPS))
        await wait_for(busy, Stepped, "a")
        for connection in (busy, idle):
            beats: list[Heartbeat] = []
            async with asyncio.timeout(10 * HEARTBEAT_SECONDS):
                while len(beats) < 2:
                    if isinstance(event := await connection.receive(), Heartbeat):
                        beats.append(event)
            assert beats[0].ticks <= beats[1].ticks
