"""The queue of outgoing events: newer progress replaces older, and all endings are sent."""

import asyncio

from engine.contract import Cancelled, Event, Heartbeat, Queued, Stepped
from engine.contract.wire import bot_side, engine_side
from engine.server.event_queue import EventQueue
from tests.manual_time import idle


def stepped(step: int, preview: bytes | None = None) -> Stepped:
    """Progress of job a."""
    return Stepped(job="a", attempt=1, step=step, steps=9, preview=preview)


def heartbeat(ticks: int) -> Heartbeat:
    """A heartbeat after this number of forward passes."""
    return Heartbeat(ticks=ticks, seconds=0, rows_total=0, rows_used=0, painting=0, waiting=0)


async def received(*events: Event) -> list[Event]:
    """The events that a reader receives if all of these are queued before it reads."""
    event_queue, last_event = EventQueue(), Cancelled(job="the end", attempt=1)
    done = asyncio.Event()
    for event in events:
        event_queue.put(event)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with engine_side(reader, writer) as connection:
            sending = asyncio.create_task(event_queue.send_all(connection))
            await idle()  # all of these are sent before the last one is queued
            event_queue.put(last_event)
            await connection.receive()
            sending.cancel()
        done.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    arriving: list[Event] = []
    async with bot_side(*await asyncio.open_connection("127.0.0.1", port)) as connection:
        while (arrived := await connection.receive()) is not None and arrived != last_event:
            arriving.append(arrived)
    await done.wait()
    server.close()
    return arriving


async def test_only_the_newest_progress_is_sent() -> None:
    """A slow reader does not receive every step."""
    waiting = Queued(job="a", attempt=1, jobs_ahead=3)
    assert await received(waiting, stepped(1), stepped(2)) == [stepped(2)]


async def test_a_preview_survives_coalescing() -> None:
    """A preview is sent with newer progress that has none."""
    assert await received(stepped(4, b"old"), stepped(5)) == [stepped(5, b"old")]
    assert await received(stepped(4, b"old"), stepped(8, b"new")) == [stepped(8, b"new")]


async def test_an_ending_replaces_progress() -> None:
    """No step is sent after the ending."""
    ending = Cancelled(job="a", attempt=1)
    assert await received(stepped(1), ending) == [ending]


async def test_progress_is_kept_for_each_job_and_attempt() -> None:
    """A step of one attempt does not replace a step of another."""
    second_attempt = Stepped(job="a", attempt=2, step=1, steps=9)
    assert await received(stepped(1), second_attempt) == [stepped(1), second_attempt]
    endings = [Cancelled(job=name, attempt=1) for name in "abc"]
    assert await received(*endings) == endings


async def test_only_the_newest_heartbeat_is_sent() -> None:
    """The heartbeat is sent after endings and progress."""
    ending = Cancelled(job="a", attempt=1)
    assert await received(heartbeat(1), stepped(1), heartbeat(2), ending) == [ending, heartbeat(2)]
