"""The frames of a stream: four bytes of length (big endian), then one message in MessagePack."""

import asyncio
from typing import Final, Generic, TypeVar

import msgspec

from engine.contract.protocol import Command, Event

MAX_FRAME_BYTES: Final = 64 * 1024 * 1024
"""Larger than an uncompressed picture of 4096 x 4096 pixels."""
_MAX_REASON_CHARS: Final = 500
"""A decoding error can quote the whole message, so its text is truncated."""
CLOSING_SECONDS: Final = 2.0
"""Time for the peer to read the last frame."""
_CHUNK: Final = 64 * 1024

M = TypeVar("M")


class WireError(Exception):
    """The peer sent something that is not a valid message."""


class Connection(Generic[M]):
    """One end of a stream: sends any message, receives messages of type M.

    An async context manager that closes the stream on exit.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        decoder: msgspec.msgpack.Decoder[M],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = decoder
        self._sending = asyncio.Lock()

    async def __aenter__(self) -> "Connection[M]":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        try:
            await asyncio.wait_for(self._writer.wait_closed(), CLOSING_SECONDS)
        except (OSError, TimeoutError):
            return  # the peer closed first, or does not read
        finally:
            self.abort()

    def abort(self) -> None:
        """Close the stream at once and drop unsent data."""
        self._writer.transport.abort()

    async def send(self, message: Command | Event) -> None:
        """Send one frame, once the buffer has room. Raises OSError if the connection is lost."""
        body = msgspec.msgpack.encode(message)
        if len(body) > MAX_FRAME_BYTES:
            raise WireError(
                f"The message has {len(body)} bytes; at most {MAX_FRAME_BYTES} are allowed."
            )
        async with self._sending:
            self._writer.write(len(body).to_bytes(4, "big") + body)
            await self._writer.drain()

    async def close_with(self, last_event: Event) -> None:
        """Send a last frame, then drain the input. Raises OSError if the connection is lost.

        Closing with unread data could reset the connection before the frame arrives.
        """
        await self.send(last_event)
        self._writer.write_eof()
        while await self._reader.read(_CHUNK):
            pass

    async def receive(self, limit: int = MAX_FRAME_BYTES) -> M | None:
        """The next message, or None when the peer has closed the stream between two frames.

        Raises WireError if a frame is truncated, invalid or larger than `limit` bytes.
        """
        try:
            size = int.from_bytes(await self._reader.readexactly(4), "big")
            if size > limit:
                raise WireError(f"The frame has {size} bytes; at most {limit} are allowed.")
            body = await self._reader.readexactly(size)
        except asyncio.IncompleteReadError as error:
            if error.partial or error.expected != 4:
                raise WireError("The connection ended in the middle of a frame.") from error
            return None
        try:
            return self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise WireError(f"The message is invalid: {error}"[:_MAX_REASON_CHARS]) from error


def engine_side(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Connection[Command]:
    """The engine's end: receives commands."""
    return Connection(reader, writer, msgspec.msgpack.Decoder(Command))


def bot_side(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Connection[Event]:
    """The bot's end: receives events."""
    return Connection(reader, writer, msgspec.msgpack.Decoder(Event))
