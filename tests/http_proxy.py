"""A forward proxy for plain HTTP that resolves a host without a DNS entry."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import yarl

HOST = "discord.invalid"


class HttpProxy:
    """Forwards each connection to a port of this machine, and records the requests."""

    def __init__(self, port: int) -> None:
        self.requests: list[str] = []
        """Method and URL of the first request of each connection."""
        self.url = ""
        self._port = port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request_line, _, headers = head.partition("\r\n")
        method, url, version = request_line.split()
        self.requests.append(f"{method} {url}")
        path = yarl.URL(url).raw_path_qs
        if "upgrade" not in headers.lower():
            headers = "Connection: close\r\n" + headers
        remote_reader, remote_writer = await asyncio.open_connection("127.0.0.1", self._port)
        remote_writer.write(f"{method} {path} {version}\r\n{headers}".encode())
        await asyncio.gather(_pipe(reader, remote_writer), _pipe(remote_reader, writer))


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def http_proxy(port: int) -> AsyncIterator[HttpProxy]:
    """A proxy before the server on this port."""
    proxy = HttpProxy(port)
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(proxy.serve(reader, writer))
        connections.add(task)
        await asyncio.wait({task})
        connections.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield proxy
        while connections:
            await asyncio.wait(connections)
            await asyncio.sleep(0)
