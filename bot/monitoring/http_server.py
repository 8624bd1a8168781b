"""The address at which machines see how the bot is doing: /metrics and /healthz."""

import asyncio
from typing import Final

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from bot.errors import ExitCode, FatalError
from bot.monitoring.status import Monitor

CONNECTIONS: Final = 32
"""At once. Each is an open file, of which pictures and Discord need some, too."""


class Lookout:
    """Use as `async with`. Raises FatalError if it cannot listen there."""

    def __init__(self, monitor: Monitor, host: str, port: int) -> None:
        self._monitor = monitor
        self._host, self._port = host, port
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._health)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        self._listening: asyncio.Server | None = None

    async def __aenter__(self) -> "Lookout":
        await self._runner.setup()
        try:
            loop = asyncio.get_running_loop()
            self._listening = await loop.create_server(self._welcome, self._host, self._port)
        except OSError as error:
            await self._runner.cleanup()
            raise FatalError(
                f"Nothing can be shown at {self._host}:{self._port}: {error.strerror or error} "
                "(IMAGINE_METRICS_HOST, IMAGINE_METRICS_PORT).",
                ExitCode.PORT_TAKEN,
            ) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._listening is not None:
            self._listening.close()
        await self._runner.cleanup()

    def _welcome(self) -> asyncio.Protocol:
        """Serve one more connection; if there are too many, the oldest ones go."""
        server = self._runner.server
        if server is None:
            raise RuntimeError("Somebody connects before there is a server.")
        for oldest in server.connections[: 1 - CONNECTIONS]:
            oldest.force_close()
        return server()

    async def _metrics(self, _: web.Request) -> web.Response:
        page = await self._monitor.page()
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _health(self, _: web.Request) -> web.Response:
        health = await self._monitor.health()
        return web.Response(
            status=200 if health.ok else 503,
            body=msgspec.json.encode(health),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )
