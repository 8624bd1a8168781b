"""The HTTP server for /metrics (Prometheus) and /healthz."""

import asyncio
from typing import Final

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from bot.errors import ExitCode, FatalError
from bot.monitoring.status import StatusReporter

MAX_CONNECTIONS: Final = 32
"""Concurrent connections. Each is an open file, which pictures and Discord need as well."""


class MetricsServer:
    """Use as `async with`. Raises FatalError if it cannot listen on this host and port."""

    def __init__(self, status: StatusReporter, host: str, port: int) -> None:
        self._status = status
        self._host, self._port = host, port
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._health)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "MetricsServer":
        await self._runner.setup()
        try:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._accept, self._host, self._port)
        except OSError as error:
            await self._runner.cleanup()
            raise FatalError(
                f"The metrics server cannot listen on {self._host}:{self._port}: "
                f"{error.strerror or error} "
                "(IMAGINE_METRICS_HOST, IMAGINE_METRICS_PORT).",
                ExitCode.PORT_TAKEN,
            ) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()

    def _accept(self) -> asyncio.Protocol:
        """The protocol of a new connection; closes the oldest ones above MAX_CONNECTIONS."""
        server = self._runner.server
        if server is None:
            raise RuntimeError("A client connected before the server started.")
        for oldest in server.connections[: 1 - MAX_CONNECTIONS]:
            oldest.force_close()
        return server()

    async def _metrics(self, _: web.Request) -> web.Response:
        body = await self._status.metrics()
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _health(self, _: web.Request) -> web.Response:
        health = await self._status.health()
        return web.Response(
            status=200 if health.ok else 503,
            body=msgspec.json.encode(health),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )
