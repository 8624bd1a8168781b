"""The REST API's frame: authorisation, rate limits, faults, the log, and how answers look."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from aiohttp import web

from bot.playground.errors import ApiError
from bot.playground.faults import Fault
from bot.playground.model.state import World
from bot.playground.rest.http import Answer, Request, Response, fault_response
from bot.playground.rest.ratelimits import RateLimits
from bot.playground.rest.request_body import read_body

PREFIX = "/api/v10"
LOG_KEPT = 20_000


Handler = Callable[[World, Request], tuple[int, Answer]]
Observer = Callable[[Request, Response], None]


@dataclass(frozen=True)
class Route:
    """A documented address, and what answers it. `open` ones need no bot token."""

    method: str
    template: str
    handler: Handler
    open: bool = False


class Api:
    """Answers REST requests, one at a time and all at once."""

    def __init__(self, world: World, token: str, routes: list[Route]) -> None:
        self.requests: list[Request] = []
        self.violations: list[str] = []
        self.observers: list[Observer] = []
        self.limits = RateLimits(world.clock)
        self.faults = world.cdn.faults
        self._world = world
        self._token = token
        self._routes = routes

    def add_routes(self, app: web.Application) -> None:
        """Answer below `/api/v10`."""
        for route in self._routes:
            app.router.add_route(route.method, PREFIX + route.template, self._answering(route))
        app.router.add_route("*", "/api/{rest:.*}", self._answering(UNKNOWN))

    def _answering(self, route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(http: web.Request) -> web.Response:
            return await self._answer(route, http)

        return answer

    async def _answer(self, route: Route, http: web.Request) -> web.Response:
        request = self._logged(route, http)
        fault = self.faults.take(request.method, request.path)
        if fault and fault.delay:
            await asyncio.sleep(fault.delay)
        headers = {"Via": "1.1 google"}
        response = await self._respond(route, http, request, fault, headers)
        request.response = response
        request.body = replace(request.body, files={})  # the log keeps no bytes
        for observer in self.observers:
            observer(request, response)
        self._world.changes.notify()
        if fault and fault.drop and http.transport:
            http.transport.abort()
        return _http(response)

    def _logged(self, route: Route, http: web.Request) -> Request:
        request = Request(
            method=http.method,
            route=route.template,
            path=http.path.removeprefix(PREFIX),
            params=dict(http.match_info),
            query=dict(http.query),
            at=self._world.clock.now(),
            multipart=http.content_type.startswith("multipart/"),
        )
        self.requests.append(request)
        if len(self.requests) > LOG_KEPT:
            del self.requests[: LOG_KEPT // 2]
        return request

    async def _respond(
        self,
        route: Route,
        http: web.Request,
        request: Request,
        fault: Fault | None,
        headers: dict[str, str],
    ) -> Response:
        try:
            if fault and fault.instead:
                return fault_response(fault, headers)
            if not route.open:
                self._authorise(http)
            headers |= self.limits.take(route.method, route.template, request.params)
            body = await read_body(http)
            request.body = body
            request.files = {
                f"files[{n}]": (f.filename, len(f.data)) for n, f in body.files.items()
            }
            status, answer = route.handler(self._world, request)
        except ApiError as error:
            self._note(request, error)
            headers |= getattr(error, "headers", {})
            return Response(error.status, error.body(), headers)
        if fault and fault.status:
            return fault_response(fault, headers)
        return Response(status, answer, headers)

    def _note(self, request: Request, error: ApiError) -> None:
        if error.violation:
            where = json.dumps(error.errors) if error.errors else ""
            line = f"{request.method} {request.path}: {error.code} {error.message} {where}"
            self.violations.append(line.strip())

    def _authorise(self, http: web.Request) -> None:
        if http.headers.get("Authorization") != f"Bot {self._token}":
            raise ApiError(401, 0, "401: Unauthorized")
        if not http.headers.get("User-Agent"):
            raise ApiError(403, 40333, "internal network error", violation=True)


def _unknown_route(world: World, request: Request) -> tuple[int, Answer]:
    raise ApiError(404, 0, "404: Not Found", violation=True)


UNKNOWN = Route("*", "unknown", _unknown_route, open=True)


def _http(response: Response) -> web.Response:
    if response.status == 204:
        return web.Response(status=204, headers=response.headers)
    # Exactly this type: discord.py takes "application/json; charset=utf-8" for plain text.
    headers = response.headers | {"Content-Type": "application/json"}
    body = json.dumps(response.json).encode()
    return web.Response(status=response.status, body=body, headers=headers)
