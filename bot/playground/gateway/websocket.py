"""The gateway's websockets: frames, zlib-stream, heartbeats, and what closes them."""

import asyncio
import json
import time
import zlib
from collections import deque
from contextlib import suppress

from aiohttp import WSMsgType, web

from bot.playground.errors import Json
from bot.playground.gateway.sessions import CloseCode, Gateway, Opcode, Session

HEARTBEAT_SECONDS = 41.25
ACK_SECONDS = 0.02
"""About what a network takes."""
FRAME_LIMIT = 4096  # bytes that a bot may send at once
SENDS_LIMIT = 120  # frames in a minute
NORMAL = (1000, 1001)


class ZlibStream:
    """One zlib stream for a whole connection, flushed after each frame."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj()

    def pack(self, text: str) -> bytes:
        """The next piece of the stream."""
        return self._stream.compress(text.encode()) + self._stream.flush(zlib.Z_SYNC_FLUSH)


class Connection:
    """One websocket of one bot."""

    def __init__(self, gateway: Gateway, socket: web.WebSocketResponse, *, compress: bool) -> None:
        self.acknowledge = True
        self._gateway = gateway
        self._socket = socket
        self._deflate = ZlibStream() if compress else None
        self._outbox: asyncio.Queue[Json | int] = asyncio.Queue()
        self._session: Session | None = None
        self._heard = asyncio.Event()
        self._sends: deque[float] = deque()
        self._closed_by_us = False

    def send(self, frame: Json) -> None:
        """Queue a frame."""
        self._outbox.put_nowait(frame)

    def hang_up(self, code: int) -> None:
        """Close after what is queued."""
        self._outbox.put_nowait(code)

    async def run(self, heartbeat: float) -> None:
        """Talk until either side closes."""
        self.send({"op": Opcode.HELLO, "d": {"heartbeat_interval": int(heartbeat * 1000)}})
        helpers = [asyncio.create_task(self._write()), asyncio.create_task(self._watch(heartbeat))]
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    self._hear(message.data)
                elif message.type is WSMsgType.BINARY:
                    self.hang_up(CloseCode.DECODE_ERROR)
        finally:
            for helper in helpers:
                helper.cancel()
            if self._session:
                proper = self._socket.close_code in NORMAL and not self._closed_by_us
                self._gateway.left(self._session, self, for_good=proper)

    async def _write(self) -> None:
        with suppress(ConnectionError):
            while not isinstance(item := await self._outbox.get(), int):
                text = json.dumps(item)
                if self._deflate:
                    await self._socket.send_bytes(self._deflate.pack(text))
                else:
                    await self._socket.send_str(text)
            self._closed_by_us = True
            await self._socket.close(code=item)

    async def _watch(self, heartbeat: float) -> None:
        try:
            while True:
                self._heard.clear()
                async with asyncio.timeout(heartbeat * 1.5):
                    await self._heard.wait()
        except TimeoutError:
            self.hang_up(CloseCode.SESSION_TIMED_OUT)

    def _hear(self, text: str) -> None:
        now = time.monotonic()
        self._sends.append(now)
        while self._sends[0] < now - 60:
            self._sends.popleft()
        if len(self._sends) > SENDS_LIMIT:
            return self.hang_up(CloseCode.RATE_LIMITED)
        try:
            frame = json.loads(text)
        except ValueError:
            return self.hang_up(CloseCode.DECODE_ERROR)
        if len(text.encode()) > FRAME_LIMIT or not isinstance(frame, dict):
            return self.hang_up(CloseCode.DECODE_ERROR)
        return self._act(frame.get("op"), frame.get("d"))

    def _act(self, op: object, data: object) -> None:
        match op:
            case Opcode.HEARTBEAT:
                self._heard.set()
                if self.acknowledge:  # not at once: discord.py notes when it sent only afterwards
                    later = asyncio.get_running_loop().call_later
                    later(ACK_SECONDS, self.send, {"op": Opcode.HEARTBEAT_ACK})
            case Opcode.IDENTIFY | Opcode.RESUME if not isinstance(data, dict):
                self.hang_up(CloseCode.DECODE_ERROR)
            case Opcode.IDENTIFY | Opcode.RESUME if self._session:
                self.hang_up(CloseCode.ALREADY_AUTHENTICATED)
            case Opcode.IDENTIFY:
                self._begin(self._gateway.identify(_dict(data), self))
            case Opcode.RESUME:
                self._begin(self._gateway.resume(_dict(data), self))
            case Opcode.PRESENCE_UPDATE | Opcode.VOICE_STATE_UPDATE | Opcode.REQUEST_GUILD_MEMBERS:
                if not self._session:
                    self.hang_up(CloseCode.NOT_AUTHENTICATED)
            case _:
                self.hang_up(CloseCode.UNKNOWN_OPCODE)

    def _begin(self, outcome: Session | CloseCode | None) -> None:
        if outcome is None:
            self.send({"op": Opcode.INVALID_SESSION, "d": False})
        elif isinstance(outcome, CloseCode):
            self.hang_up(outcome)
        else:
            self._session = outcome


def _dict(data: object) -> Json:
    return data if isinstance(data, dict) else {}


class Sockets:
    """All websockets to the gateway, and the faults that can befall them."""

    def __init__(self, gateway: Gateway) -> None:
        self.heartbeat = HEARTBEAT_SECONDS
        self.shut = False
        """Is nobody let in?"""
        self._gateway = gateway
        self._open: dict[Connection, web.Request] = {}

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Answer one connection from beginning to end; bots, that is, and no website's."""
        if "Origin" in request.headers:  # browsers let any page connect, and say which it is
            raise web.HTTPForbidden(text="The gateway is for bots.")
        if self.shut:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse(max_msg_size=64 * 1024)
        await socket.prepare(request)
        compress = request.query.get("compress") == "zlib-stream"
        connection = Connection(self._gateway, socket, compress=compress)
        if request.query.get("v", "10") != "10":
            connection.hang_up(CloseCode.INVALID_VERSION)
        self._open[connection] = request
        try:
            await connection.run(self.heartbeat)
        finally:
            del self._open[connection]
        return socket

    def close(self, code: int) -> None:
        """Close all connections with a code."""
        for connection in self._open:
            connection.hang_up(code)

    def drop(self) -> None:
        """Cut all connections, as a network does."""
        for request in self._open.values():
            if request.transport:
                request.transport.abort()

    def reconnect(self) -> None:
        """Ask all bots to reconnect and resume (opcode 7)."""
        for connection in self._open:
            connection.send({"op": Opcode.RECONNECT, "d": None})

    def invalidate(self, *, resumable: bool) -> None:
        """Tell all bots that their session is invalid (opcode 9)."""
        self._gateway.forget(resumable=resumable)

    def deaf(self) -> None:
        """Stop acknowledging heartbeats on the connections there are."""
        for connection in self._open:
            connection.acknowledge = False
