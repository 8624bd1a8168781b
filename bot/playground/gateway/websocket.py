"""WebSocket connections to the gateway: frames, heartbeats and close codes."""

import asyncio
import json
import time
from collections import deque
from contextlib import suppress

from aiohttp import WSMsgType, web

from bot.playground.errors import Json
from bot.playground.gateway.compression import STREAMS, CompressedStream
from bot.playground.gateway.guild_members import MemberRequests
from bot.playground.gateway.sessions import CloseCode, Gateway, Opcode, Session

HEARTBEAT_SECONDS = 41.25
ACK_SECONDS = 0.02  # simulated network latency
FRAME_LIMIT = 4096  # bytes
FRAMES_PER_MINUTE = 120
NORMAL_CLOSE_CODES = (1000, 1001)


class Connection:
    """A WebSocket connection of a bot."""

    def __init__(
        self,
        gateway: Gateway,
        member_requests: MemberRequests,
        socket: web.WebSocketResponse,
        compression: CompressedStream | None = None,
    ) -> None:
        self.acknowledges_heartbeats = True
        self._gateway = gateway
        self._member_requests = member_requests
        self._socket = socket
        self._compression = compression
        self._send_queue: asyncio.Queue[Json | int] = asyncio.Queue()
        self._session: Session | None = None
        self._heartbeat = asyncio.Event()
        self._receive_times: deque[float] = deque()
        self._closed_by_server = False

    def is_of(self, shard: int | None) -> bool:
        """Return whether it is the connection of this shard; None stands for all."""
        return shard is None or (self._session is not None and self._session.shard.id == shard)

    def send(self, frame: Json) -> None:
        """Queue a frame."""
        self._send_queue.put_nowait(frame)

    def close(self, code: int) -> None:
        """Close the connection after the queued frames."""
        self._send_queue.put_nowait(code)

    async def run(self, heartbeat: float) -> None:
        """Serve the connection until either side closes it."""
        self.send({"op": Opcode.HELLO, "d": {"heartbeat_interval": int(heartbeat * 1000)}})
        tasks = [
            asyncio.create_task(self._write()),
            asyncio.create_task(self._watch_heartbeats(heartbeat)),
        ]
        try:
            async for message in self._socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self._receive(message.data)
        finally:
            for task in tasks:
                task.cancel()
            if self._session:
                is_normal = self._socket.close_code in NORMAL_CLOSE_CODES
                self._gateway.disconnect(
                    self._session, self, end_session=is_normal and not self._closed_by_server
                )

    async def _write(self) -> None:
        with suppress(ConnectionError):
            while not isinstance(item := await self._send_queue.get(), int):
                text = json.dumps(item)
                if self._compression:
                    await self._socket.send_bytes(self._compression.pack(text))
                else:
                    await self._socket.send_str(text)
            self._closed_by_server = True
            await self._socket.close(code=item)

    async def _watch_heartbeats(self, heartbeat: float) -> None:
        try:
            while True:
                self._heartbeat.clear()
                async with asyncio.timeout(heartbeat * 1.5):
                    await self._heartbeat.wait()
        except TimeoutError:
            self.close(CloseCode.SESSION_TIMED_OUT)

    def _receive(self, data: str | bytes) -> None:
        now = time.monotonic()
        self._receive_times.append(now)
        while self._receive_times[0] < now - 60:
            self._receive_times.popleft()
        if len(self._receive_times) > FRAMES_PER_MINUTE:
            return self.close(CloseCode.RATE_LIMITED)
        raw = data.encode() if isinstance(data, str) else data
        try:
            frame = json.loads(raw)
        except ValueError:
            return self.close(CloseCode.DECODE_ERROR)
        if len(raw) > FRAME_LIMIT or not isinstance(frame, dict):
            return self.close(CloseCode.DECODE_ERROR)
        return self._handle(frame.get("op"), frame.get("d"))

    def _handle(self, op: object, data: object) -> None:
        match op:
            case Opcode.HEARTBEAT:
                self._heartbeat.set()
                if self.acknowledges_heartbeats:
                    # Delayed, because discord.py records the send time only after sending.
                    call_later = asyncio.get_running_loop().call_later
                    call_later(ACK_SECONDS, self.send, {"op": Opcode.HEARTBEAT_ACK})
            case Opcode.IDENTIFY | Opcode.RESUME if not isinstance(data, dict):
                self.close(CloseCode.DECODE_ERROR)
            case Opcode.IDENTIFY | Opcode.RESUME if self._session:
                self.close(CloseCode.ALREADY_AUTHENTICATED)
            case Opcode.IDENTIFY:
                self._set_session(self._gateway.identify(_object(data), self))
            case Opcode.RESUME:
                self._set_session(self._gateway.resume(_object(data), self))
            case Opcode.PRESENCE_UPDATE | Opcode.VOICE_STATE_UPDATE | Opcode.REQUEST_GUILD_MEMBERS:
                self._handle_request(op, data)
            case _:
                self.close(CloseCode.UNKNOWN_OPCODE)

    def _handle_request(self, op: object, data: object) -> None:
        if not self._session:
            self.close(CloseCode.NOT_AUTHENTICATED)
        elif not isinstance(data, dict):
            self.close(CloseCode.DECODE_ERROR)
        elif op == Opcode.REQUEST_GUILD_MEMBERS:
            self._member_requests.respond(self._session, data)
        elif op == Opcode.PRESENCE_UPDATE:
            code = self._gateway.update_presence(self._session, data)
            if code is not None:
                self.close(code)

    def _set_session(self, result: Session | CloseCode | None) -> None:
        if result is None:
            self.send({"op": Opcode.INVALID_SESSION, "d": False})
        elif isinstance(result, CloseCode):
            self.close(result)
        else:
            self._session = result


def _object(data: object) -> Json:
    return data if isinstance(data, dict) else {}


class WebSocketServer:
    """Accepts WebSocket connections to the gateway and injects faults into them."""

    def __init__(self, gateway: Gateway, member_requests: MemberRequests) -> None:
        self.heartbeat = HEARTBEAT_SECONDS
        self.unavailable = False
        """Whether new connections are refused with a 503."""
        self.resume_unavailable = False
        """Whether the host that resumes sessions refuses new connections; the main one does not."""
        self.connection_seconds: float | None = None
        """After how long each new connection is aborted; None if it is not."""
        self._acknowledges_heartbeats = True
        self._gateway = gateway
        self._member_requests = member_requests
        self._open: dict[Connection, web.Request] = {}

    async def serve_resume(self, request: web.Request) -> web.WebSocketResponse:
        """Serve a connection at the address for resuming sessions."""
        if self.resume_unavailable:
            raise web.HTTPServiceUnavailable
        return await self.serve(request)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Serve a connection. Browsers are refused, because any website could connect."""
        if "Origin" in request.headers:
            raise web.HTTPForbidden(text="The gateway does not accept browsers.")
        if self.unavailable:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse(max_msg_size=64 * 1024)
        await socket.prepare(request)
        stream = STREAMS.get(request.query.get("compress", ""))
        compression = stream() if stream else None
        connection = Connection(self._gateway, self._member_requests, socket, compression)
        if request.query.get("v", "10") != "10":
            connection.close(CloseCode.INVALID_VERSION)
        connection.acknowledges_heartbeats = self._acknowledges_heartbeats
        self._open[connection] = request
        if self.connection_seconds is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(self.connection_seconds, self._abort_if_unstable, request)
        try:
            await connection.run(self.heartbeat)
        finally:
            del self._open[connection]
        return socket

    def close(self, code: int, *, shard: int | None = None) -> None:
        """Close all connections, or those of a shard, with the code."""
        for connection in self._open:
            if connection.is_of(shard):
                connection.close(code)

    def drop(self, *, shard: int | None = None) -> None:
        """Abort all connections, or those of a shard, without a close frame."""
        for connection, request in self._open.items():
            if connection.is_of(shard):
                _abort(request)

    def _abort_if_unstable(self, request: web.Request) -> None:
        if self.connection_seconds is not None:
            _abort(request)

    def reconnect(self) -> None:
        """Request that all bots reconnect and resume (opcode 7)."""
        for connection in self._open:
            connection.send({"op": Opcode.RECONNECT, "d": None})

    def invalidate(self, *, resumable: bool) -> None:
        """Invalidate all sessions (opcode 9)."""
        self._gateway.invalidate(resumable=resumable)

    def set_heartbeat_acks(self, *, on: bool) -> None:
        """Acknowledge heartbeats on open and new connections, or do not."""
        self._acknowledges_heartbeats = on
        for connection in self._open:
            connection.acknowledges_heartbeats = on


def _abort(request: web.Request) -> None:
    if request.transport:
        request.transport.abort()
