"""The address at which machines see how the bot is doing: /metrics and /healthz."""

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from bot.errors import CannotStart
from bot.exits import Exit
from bot.monitor import Monitor


class Lookout:
    """Use as `async with`. Raises CannotStart if it cannot listen there."""

    def __init__(self, monitor: Monitor, host: str, port: int) -> None:
        self._monitor = monitor
        self._host, self._port = host, port
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._health)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def __aenter__(self) -> "Lookout":
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise CannotStart(
                f"Nothing can be shown at {self._host}:{self._port}: {error.strerror or error} "
                "(IMAGINE_METRICS_HOST, IMAGINE_METRICS_PORT).",
                Exit.PORT_TAKEN,
            ) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

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
