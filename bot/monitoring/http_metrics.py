"""What Discord is asked, counted by address and answer as aiohttp tells of it."""

from types import SimpleNamespace
from typing import Final

import aiohttp

from bot.monitoring.metrics import Metrics

OTHER: Final = "other"
_TOO_MANY: Final = 429
_DEEPEST: Final = 8
WORDS: Final = frozenset(
    {
        *("@me", "@original", "applications", "bot", "callback", "channels", "commands"),
        *("crosspost", "emojis", "entitlements", "gateway", "guilds", "interactions", "invites"),
        *("members", "messages", "oauth2", "permissions", "pins", "reactions", "roles", "skus"),
        *("thread-members", "threads", "typing", "users", "voice", "webhooks"),
    }
)
"""Of Discord's addresses: https://docs.discord.com/developers/reference."""


def counting(metrics: Metrics, api: str) -> aiohttp.TraceConfig:
    """For the sessions that talk to the Discord of this base address; others are not counted."""

    async def ended(
        _: aiohttp.ClientSession, __: SimpleNamespace, told: aiohttp.TraceRequestEndParams
    ) -> None:
        path = _below(api, str(told.url))
        if path is None:
            return
        status = told.response.status
        metrics.requested(told.method, template(path), str(status))
        if status == _TOO_MANY:
            metrics.limited(told.response.headers.get("X-RateLimit-Scope"))

    async def failed(
        _: aiohttp.ClientSession, __: SimpleNamespace, told: aiohttp.TraceRequestExceptionParams
    ) -> None:
        path = _below(api, str(told.url))
        if path is not None:
            metrics.requested(told.method, template(path), "error")

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(ended)
    trace.on_request_exception.append(failed)
    return trace


def template(path: str) -> str:
    """The path without what is a name of something: `/channels/{id}/messages`.

    Of all paths that there are, few come out of it.
    """
    parts = path.split("?")[0].strip("/").split("/")
    named = [_named(part, parts[:place]) for place, part in enumerate(parts[:_DEEPEST])]
    return "/" + "/".join(named)


def _named(part: str, before: list[str]) -> str:
    if before[-2:-1] in (["webhooks"], ["interactions"]):
        return "{token}"
    if before[-1:] == ["reactions"]:
        return "{emoji}"
    if part in WORDS:
        return part
    return "{id}" if part.isdigit() else "{other}"


def _below(api: str, address: str) -> str | None:
    return address.removeprefix(api) if address.startswith(f"{api}/") else None
