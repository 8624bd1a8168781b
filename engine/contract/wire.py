"""Frames on a stream: four bytes of length (big endian), then one message in MessagePack."""

import asyncio
from typing import Final, Generic, TypeVar

import msgspec

from engine.contract.protocol import Command, Event

FRAME_LIMIT: Final = 64 * 1024 * 1024
"""Bytes in one frame: four pictures of 2048 x 2048, uncompressed, with room to spare."""
_WORDS_LIMIT: Final = 500
"""Characters of a reason: it may quote what came, whatever its length."""
CLOSING_SECONDS: Final = 2.0
"""For the other end to take what it was sent last."""
_CHUNK: Final = 64 * 1024

M = TypeVar("M")


class WireError(Exception):
    """What came over the connection is no message of ours."""


class Connection(Generic[M]):
    """One end of a stream: sends messages of any kind, receives those of one kind.

    Use as `async with`; leaving closes the stream.
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
            return  # the other end went first, or does not read what it was sent
        finally:
            self.abort()

    def abort(self) -> None:
        """Close the stream at once, whatever the other end has not read yet."""
        self._writer.transport.abort()

    async def send(self, message: Command | Event) -> None:
        """Send one frame; waits while the other end is slow. Raises OSError if it is gone."""
        body = msgspec.msgpack.encode(message)
        if len(body) > FRAME_LIMIT:
            raise WireError(f"A message of {len(body)} bytes; {FRAME_LIMIT} are allowed.")
        async with self._sending:
            self._writer.write(len(body).to_bytes(4, "big") + body)
            await self._writer.drain()

    async def dismiss(self, last: Event) -> None:
        """Send a last frame, and let the other end finish what it is saying, unheard: the network
        may drop an answer to somebody who is not listened to. Raises OSError if it is gone."""
        await self.send(last)
        self._writer.write_eof()
        while await self._reader.read(_CHUNK):
            pass

    async def receive(self, limit: int = FRAME_LIMIT) -> M | None:
        """The next message, or None when the other end has closed between two frames.

        Raises WireError for a frame of more bytes than `limit`, cut short or no message of ours.
        """
        try:
            size = int.from_bytes(await self._reader.readexactly(4), "big")
            if size > limit:
                raise WireError(f"A frame of {size} bytes; {limit} are allowed.")
            body = await self._reader.readexactly(size)
        except asyncio.IncompleteReadError as cut:
            if cut.partial or cut.expected != 4:
                raise WireError("The connection ended in the middle of a frame.") from cut
            return None
        try:
            return self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise WireError(f"Not a message of ours: {error}"[:_WORDS_LIMIT]) from error


def command_side(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Connection[Command]:
    """The engine's end: receives commands."""
    return Connection(reader, writer, msgspec.msgpack.Decoder(Command))


def event_side(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Connection[Event]:
    """The bot's end: receives events."""
    return Connection(reader, writer, msgspec.msgpack.Decoder(Event))
