"""Events on their way out: progress may be skipped, endings never."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from engine.contract import Cancelled, Command, Event, Heartbeat, Queued, Stepped
from engine.contract.wire import Connection, bot_side, engine_side
from engine.server.event_queue import Outbox


def stepped(step: int, preview: bytes | None = None) -> Stepped:
    """Progress of job a."""
    return Stepped(job="a", attempt=1, step=step, steps=9, preview=preview)


def pulse(ticks: int) -> Heartbeat:
    """The engine's own news."""
    return Heartbeat(ticks=ticks, seconds=0, rows_total=0, rows_used=0, painting=0, waiting=0)


async def sent(*events: Event) -> list[Event]:
    """What arrives of events that were all put before the first could be sent."""
    outbox = Outbox()
    for event in events:
        outbox.put(event)
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with engine_side(reader, writer) as connection:
            await _send_for(outbox, connection, seconds=0.2)
        done.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with bot_side(*await asyncio.open_connection("127.0.0.1", port)) as events_in:
        arrived = [event async for event in all_of(events_in)]
    await done.wait()
    server.close()
    return arrived


async def all_of(connection: Connection[Event]) -> AsyncIterator[Event]:
    """Everything that comes, to the end of the connection."""
    while (event := await connection.receive()) is not None:
        yield event


async def _send_for(outbox: Outbox, connection: Connection[Command], *, seconds: float) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(outbox.send_all(connection), seconds)


async def test_only_the_newest_progress_is_sent() -> None:
    """Who reads slowly skips steps."""
    waiting = Queued(job="a", attempt=1, jobs_ahead=3)
    assert await sent(waiting, stepped(1), stepped(2)) == [stepped(2)]


async def test_a_preview_is_not_skipped() -> None:
    """It stays with newer progress until there is a newer preview."""
    assert await sent(stepped(4, b"old"), stepped(5)) == [stepped(5, b"old")]
    assert await sent(stepped(4, b"old"), stepped(8, b"new")) == [stepped(8, b"new")]


async def test_an_ending_replaces_progress() -> None:
    """Nobody hears of a step after the end."""
    ending = Cancelled(job="a", attempt=1)
    assert await sent(stepped(1), ending) == [ending]


async def test_every_job_and_attempt_has_its_own_progress() -> None:
    """One job's step does not replace another's."""
    other = Stepped(job="a", attempt=2, step=1, steps=9)
    assert await sent(stepped(1), other) == [stepped(1), other]
    endings = [Cancelled(job=name, attempt=1) for name in "abc"]
    assert await sent(*endings) == endings


async def test_only_the_newest_pulse_is_sent() -> None:
    """After what people wait for."""
    ending = Cancelled(job="a", attempt=1)
    assert await sent(pulse(1), stepped(1), pulse(2), ending) == [ending, pulse(2)]
