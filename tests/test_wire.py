"""The frames of the protocol, on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from engine.contract import MAX_SIZE, Cancel, Command, Event, Failed, Hello
from engine.contract.wire import (
    CLOSING_SECONDS,
    MAX_FRAME_BYTES,
    Connection,
    WireError,
    bot_side,
    engine_side,
)
from tests.manual_time import idle


@asynccontextmanager
async def ends() -> AsyncIterator[
    tuple[Connection[Event], Connection[Command], asyncio.StreamWriter]
]:
    """Both ends of a stream, and the writer of raw bytes to the engine's end."""
    accepted: asyncio.Queue[Connection[Command]] = asyncio.Queue()
    closing = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with engine_side(reader, writer) as commands:
            accepted.put_nowait(commands)
            await closing.wait()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    async with bot_side(reader, writer) as events:
        yield events, await accepted.get(), writer
    closing.set()
    server.close()


async def test_messages_arrive_unchanged_and_in_order() -> None:
    """Both directions are tested."""
    async with ends() as (events, commands, _):
        sent: list[Command] = [Hello("x"), Cancel(job="a", attempt=2)]
        for command in sent:
            await events.send(command)
        assert [await commands.receive() for _ in sent] == sent
        failed = Failed(job="a", attempt=1, reason="because")
        await commands.send(failed)
        assert await events.receive() == failed


async def test_closing_between_two_frames_is_not_an_error() -> None:
    """`receive` returns None."""
    async with ends() as (events, commands, writer):
        await events.send(Hello("x"))
        writer.write_eof()
        assert await commands.receive() == Hello("x")
        assert await commands.receive() is None


@pytest.mark.parametrize("cut", [1, 3, 4, 8])
async def test_closing_within_a_frame_is_an_error(cut: int) -> None:
    """The truncated frame raises WireError."""
    async with ends() as (_, commands, writer):
        writer.write((9).to_bytes(4, "big")[:cut] + b"\x00" * (cut - 4))
        writer.write_eof()
        with pytest.raises(WireError, match="middle of a frame"):
            await commands.receive()


@pytest.mark.parametrize("body", [b"\xc1", b"\x80", b"\x81\xa4type\xa5Paint", b"\x01"])
async def test_an_invalid_message_is_an_error(body: bytes) -> None:
    """Invalid MessagePack and MessagePack of another schema raise WireError."""
    async with ends() as (_, commands, writer):
        writer.write(len(body).to_bytes(4, "big") + body)
        with pytest.raises(WireError, match="The message is invalid"):
            await commands.receive()


@pytest.mark.parametrize(
    "body",
    [
        msgspec.msgpack.encode(Hello("abcd")).replace(b"abcd", b"\xff\xfe\xff\xff"),
        b"\x82\xa4type\xa5Hello\xa1x" + b"\x91" * 100_000 + b"\x00",
    ],
    ids=["invalid UTF-8", "nested too deeply"],
)
async def test_every_error_of_the_decoder_is_a_wire_error(body: bytes) -> None:
    """Some of these errors are not msgspec's own."""
    async with ends() as (_, commands, writer):
        writer.write(len(body).to_bytes(4, "big") + body)
        with pytest.raises(WireError, match="The message is invalid"):
            await commands.receive()


async def test_closing_does_not_wait_for_a_peer_that_does_not_read() -> None:
    """Unsent data is dropped after CLOSING_SECONDS."""
    async with asyncio.timeout(CLOSING_SECONDS + 5):
        async with ends() as (_, commands, _):
            await fill(commands)
            start = asyncio.get_running_loop().time()
            await commands.__aexit__()
            assert asyncio.get_running_loop().time() - start < CLOSING_SECONDS + 2


async def fill(connection: Connection[Command]) -> None:
    """Send more than the socket buffers hold."""
    sending = asyncio.create_task(connection.send(Hello("x" * 30_000_000)))
    await idle()
    assert not sending.done()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def test_the_size_of_a_frame_is_limited() -> None:
    """The limit applies to sending and to receiving."""
    async with ends() as (events, commands, writer):
        writer.write((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
        with pytest.raises(WireError, match="are allowed"):
            await commands.receive()
        with pytest.raises(WireError, match="are allowed"):
            await events.send(Hello("x" * (MAX_FRAME_BYTES + 1)))


def test_a_frame_has_room_for_the_largest_picture() -> None:
    """Even if it cannot be compressed at all."""
    assert 3 * MAX_SIZE**2 < MAX_FRAME_BYTES // 4
