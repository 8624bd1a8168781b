"""A plain gateway client for the tests of the playground."""

import json
import zlib
from typing import Any, Final

import aiohttp

Json = dict[str, Any]


SECONDS: Final = 30.0
"""Longest wait for a frame."""


class GatewayClient:
    """A plain gateway client."""

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, *, compressed: bool = False
    ) -> None:
        self.socket = socket
        self._inflate = zlib.decompressobj() if compressed else None

    async def receive(self) -> Json:
        """Receive a frame, as text or as part of the zlib stream."""
        if self._inflate is None:
            text: str | bytes = await self.socket.receive_str(timeout=SECONDS)
        else:
            data = await self.socket.receive_bytes(timeout=SECONDS)
            assert data.endswith(b"\x00\x00\xff\xff")
            text = self._inflate.decompress(data)
        frame: Json = json.loads(text)
        return frame

    async def send(self, op: int, data: object) -> None:
        """Send a frame."""
        await self.socket.send_json({"op": op, "d": data})

    async def identify(self, token: str, intents: int = 1) -> Json:
        """Identify, and return the READY frame."""
        await self.send(2, {"token": token, "intents": intents, "properties": {}})
        return await self.receive()

    async def close_code(self) -> int | None:
        """The close code of the server."""
        while not self.socket.closed:
            await self.socket.receive(timeout=SECONDS)
        return self.socket.close_code
