"""Count the requests to Discord by route and status, with aiohttp's tracing."""

from types import SimpleNamespace
from typing import Final

import aiohttp

from bot.monitoring.metrics import Metrics

_TOO_MANY_REQUESTS: Final = 429
_MAX_SEGMENTS: Final = 8
PATH_SEGMENTS: Final = frozenset(
    {
        *("@me", "@original", "applications", "bot", "callback", "channels", "commands"),
        *("crosspost", "emojis", "entitlements", "gateway", "guilds", "interactions", "invites"),
        *("members", "messages", "oauth2", "permissions", "pins", "reactions", "roles", "skus"),
        *("thread-members", "threads", "typing", "users", "voice", "webhooks"),
    }
)
"""The fixed segments of Discord's paths: https://docs.discord.com/developers/reference."""


def trace_config(metrics: Metrics, api: str) -> aiohttp.TraceConfig:
    """For client sessions; counts the requests below the base URL `api`."""

    async def on_request_end(
        _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        path = _path_below(api, str(params.url))
        if path is None:
            return
        status = params.response.status
        metrics.observe_request(params.method, route_template(path), str(status))
        if status == _TOO_MANY_REQUESTS:
            metrics.observe_rate_limit(params.response.headers.get("X-RateLimit-Scope"))

    async def on_request_exception(
        _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestExceptionParams
    ) -> None:
        path = _path_below(api, str(params.url))
        if path is not None:
            metrics.observe_request(params.method, route_template(path), "error")

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(on_request_end)
    trace.on_request_exception.append(on_request_exception)
    return trace


def route_template(path: str) -> str:
    """The path with placeholders for ids, tokens and emoji: `/channels/{id}/messages`.

    The number of different results is bounded, whatever the path.
    """
    parts = path.split("?")[0].strip("/").split("/")
    segments = [_segment(part, parts[:index]) for index, part in enumerate(parts[:_MAX_SEGMENTS])]
    return "/" + "/".join(segments)


def _segment(part: str, preceding: list[str]) -> str:
    if preceding[-2:-1] in (["webhooks"], ["interactions"]):
        return "{token}"
    if preceding[-1:] == ["reactions"]:
        return "{emoji}"
    if part in PATH_SEGMENTS:
        return part
    return "{id}" if part.isdigit() else "{other}"


def _path_below(api: str, url: str) -> str | None:
    return url.removeprefix(api) if url.startswith(f"{api}/") else None
