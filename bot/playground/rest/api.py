"""The REST server: routing, authorization, rate limits, injected faults and the request log."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from aiohttp import web

from bot.playground.errors import ApiError
from bot.playground.faults import Fault
from bot.playground.model.state import World
from bot.playground.rest.http import DEFAULT_LOCALE, Request, Response, Result, fault_response
from bot.playground.rest.ratelimits import RateLimits
from bot.playground.rest.request_body import read_body
from bot.playground.rest.upload_limits import UploadLimits

PREFIX = "/api/v10"
LOG_LIMIT = 20_000  # requests

Handler = Callable[[World, Request], Result]
Observer = Callable[[Request, Response], None]


@dataclass(frozen=True)
class Route:
    """A documented route and its handler. An `open` route needs no bot token."""

    method: str
    template: str
    handler: Handler
    open: bool = False


class Api:
    """Serves REST requests. Handlers are synchronous, so requests are executed one at a time."""

    def __init__(
        self, world: World, token: str, routes: list[Route], upload_limits: UploadLimits
    ) -> None:
        self.requests: list[Request] = []
        self.observers: list[Observer] = []
        self.limits = RateLimits(world.clock)
        self.faults = world.cdn.faults
        self._world = world
        self._token = token
        self._routes = routes
        self._upload_limits = upload_limits

    def add_routes(self, app: web.Application) -> None:
        """Add all routes below `/api/v10`; another method is a 405, another path a 404."""
        for route in self._routes:
            app.router.add_route(route.method, PREFIX + route.template, self._http_handler(route))
        for template in dict.fromkeys(route.template for route in self._routes):
            app.router.add_route("*", PREFIX + template, self._http_handler(NOT_ALLOWED))
        app.router.add_route("*", "/api/{rest:.*}", self._http_handler(UNKNOWN))

    def _http_handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(http_request: web.Request) -> web.Response:
            return await self._handle(route, http_request)

        return handle

    async def _handle(self, route: Route, http_request: web.Request) -> web.Response:
        request = self._log(route, http_request)
        fault = self.faults.take(request.method, request.path)
        if fault:
            await fault.wait()
        headers = {"Via": "1.1 google"}
        response = await self._respond(route, http_request, request, fault, headers)
        request.response = response
        request.body = replace(request.body, files={})  # the log stores no file contents
        for observer in self.observers:
            observer(request, response)
        self._world.changes.notify()
        if fault and fault.drop and http_request.transport:
            http_request.transport.abort()
        return _http_response(response)

    def _log(self, route: Route, http_request: web.Request) -> Request:
        request = Request(
            method=http_request.method,
            route=route.template,
            path=http_request.path.removeprefix(PREFIX),
            params=dict(http_request.match_info),
            query=dict(http_request.query),
            received_at=self._world.clock.now(),
            locale=_locale(http_request),
            multipart=http_request.content_type.startswith("multipart/"),
        )
        self.requests.append(request)
        if len(self.requests) > LOG_LIMIT:
            del self.requests[: LOG_LIMIT // 2]
        return request

    async def _respond(
        self,
        route: Route,
        http_request: web.Request,
        request: Request,
        fault: Fault | None,
        headers: dict[str, str],
    ) -> Response:
        try:
            if fault and fault.replaces_request:
                return fault_response(fault, headers)
            if not route.open:
                self._authorize(http_request)
            headers |= self.limits.take(route.method, route.template, request.params)
            body = await read_body(http_request, self._upload_limits.limit(request))
            request.body = body
            request.files = {
                f"files[{n}]": (f.filename, len(f.data)) for n, f in body.files.items()
            }
            status, json_body = route.handler(self._world, request)
        except ApiError as error:
            self._record_violation(request, error)
            headers |= getattr(error, "headers", {})
            return Response(error.status, error.body(), headers)
        if fault and fault.status:
            return fault_response(fault, headers)
        return Response(status, json_body, headers)

    def _record_violation(self, request: Request, error: ApiError) -> None:
        if error.violation:
            details = json.dumps(error.errors) if error.errors else ""
            line = f"{request.method} {request.path}: {error.code} {error.message} {details}"
            self._world.violations.append(line.strip())

    def _authorize(self, http_request: web.Request) -> None:
        is_reset = self._world.session_starts.is_token_reset
        if is_reset or http_request.headers.get("Authorization") != f"Bot {self._token}":
            raise ApiError(401, 0, "401: Unauthorized")
        if not http_request.headers.get("User-Agent"):
            raise ApiError(403, 40333, "internal network error", violation=True)


def _locale(http_request: web.Request) -> str:
    """Return the locale of the headers."""
    headers = http_request.headers
    locale = headers.get("X-Discord-Locale") or headers.get("Accept-Language") or DEFAULT_LOCALE
    return locale.split(",")[0].split(";")[0].strip()


def _unknown_route(world: World, request: Request) -> Result:
    raise ApiError(404, 0, "404: Not Found", violation=True)


def _wrong_method(world: World, request: Request) -> Result:
    raise ApiError(405, 0, "405: Method Not Allowed", violation=True)


UNKNOWN = Route("*", "unknown", _unknown_route, open=True)
NOT_ALLOWED = Route("*", "unknown", _wrong_method, open=True)


def _http_response(response: Response) -> web.Response:
    if response.status == 204:
        return web.Response(status=204, headers=response.headers)
    if response.html:
        return web.Response(
            status=response.status,
            headers=response.headers,
            text=response.html,
            content_type="text/html",
        )
    # No charset: discord.py treats "application/json; charset=utf-8" as plain text.
    headers = response.headers | {"Content-Type": "application/json"}
    body = json.dumps(response.json).encode()
    return web.Response(status=response.status, body=body, headers=headers)
