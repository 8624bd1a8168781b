"""Connect to Discord: its REST API, the login, the gateway, and the reasons why it refuses them."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.client import Client
from bot.context import Services
from bot.errors import NETWORK_ERRORS, ExitCode, FatalError

_TIMEOUT: Final = aiohttp.ClientTimeout(total=20)
_HEADERS: Final = {
    "User-Agent": f"DiscordBot (https://github.com/Rapptz/discord.py, {discord.__version__})"
}
"""Discord requires this user agent: https://docs.discord.com/developers/reference."""
_RETRY_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Between the attempts to reach an API that answers with 5xx."""
_DEFAULT_WAIT: Final = 60.0
"""Seconds after a 429 that does not say how long to wait."""
_TOO_MANY_REQUESTS: Final = 429
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_SERVER_ERROR: Final = 500
_OK: Final = 200
_PORTAL: Final = "https://discord.com/developers/applications"
_TOKEN_REFUSED: Final = f"Discord rejects this DISCORD_TOKEN. Copy it again from {_PORTAL}."
_CLOSE_CODES: Final[Mapping[int, tuple[str, ExitCode]]] = {
    4004: (
        f"Discord no longer accepts DISCORD_TOKEN: it was reset. Copy the new one from {_PORTAL}.",
        ExitCode.TOKEN_REFUSED,
    ),
    4010: ("Discord rejects the shard of this connection (4010).", ExitCode.GATEWAY_REFUSED),
    4011: (
        "The bot is in too many servers for one gateway connection (4011); Discord requires shards "
        "from 2,500 servers on.",
        ExitCode.GATEWAY_REFUSED,
    ),
    4012: (
        "Discord no longer supports this version of its gateway (4012). Update discord.py.",
        ExitCode.GATEWAY_REFUSED,
    ),
    4013: ("Discord rejects the bot's intents as invalid (4013).", ExitCode.GATEWAY_REFUSED),
    4014: (
        "Discord does not allow the bot's intents (4014). The bot needs no privileged intent; "
        f"check the application on {_PORTAL}.",
        ExitCode.GATEWAY_REFUSED,
    ),
}
"""Gateway close codes after which Discord forbids to reconnect, and what the operator can do.

https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes
"""
log = logging.getLogger(__name__)


def check_token(token: str) -> None:
    """Raise FatalError if the token cannot be sent in a header."""
    if not token.isascii() or not token.isprintable() or " " in token:
        raise FatalError(
            "DISCORD_TOKEN has a line break, a space or another character that no token has. "
            f"Copy it again from {_PORTAL}.",
            ExitCode.TOKEN_REFUSED,
        )


async def configure_api(api: str, token: str, proxy: str | None) -> None:
    """Make discord.py use this REST API and its gateway, after checking that it takes the token.

    Waits as long as Discord or Cloudflare asks for. Raises FatalError if the API is unreachable or
    rejects the token.
    """
    Route.BASE = api
    async with aiohttp.ClientSession(timeout=_TIMEOUT, headers=_HEADERS) as session:
        gateway = await _get(session, f"{api}/gateway", proxy)
        try:
            DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway["url"])
        except (ValueError, KeyError, TypeError) as error:
            raise _no_discord(api, f"its answer has no gateway URL: {error!r}") from error
        await _get(session, f"{api}/users/@me", proxy, {"Authorization": f"Bot {token}"})


async def _get(
    session: aiohttp.ClientSession,
    url: str,
    proxy: str | None,
    headers: Mapping[str, str] | None = None,
) -> Any:  # noqa: ANN401 # any JSON
    """The JSON at this URL."""
    delays = iter(_RETRY_SECONDS)
    while True:
        try:
            async with session.get(url, proxy=proxy, headers=headers) as response:
                if response.status == _OK:
                    return await response.json(content_type=None)
                seconds = _wait_seconds(response)
                if seconds is None and response.status >= _SERVER_ERROR:
                    seconds = next(delays, None)
                if seconds is None:
                    raise _refused(url, response)
                reason = f"{response.status} {response.reason}"
        except (*NETWORK_ERRORS, ValueError) as error:
            raise _no_discord(url, repr(error)) from error
        except OSError as error:
            raise _failed(error) from error
        until = time.strftime("%H:%M:%S", time.localtime(time.time() + seconds))
        log.warning("Discord answers %s; waiting until %s.", reason, until)
        await asyncio.sleep(seconds)


def _wait_seconds(response: aiohttp.ClientResponse) -> float | None:
    """How long to wait before the next request; None if the response does not ask for it."""
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return _DEFAULT_WAIT if response.status == _TOO_MANY_REQUESTS else None


def _refused(url: str, response: aiohttp.ClientResponse) -> FatalError:
    if response.status == _UNAUTHORIZED:
        return FatalError(_TOKEN_REFUSED, ExitCode.TOKEN_REFUSED)
    reason = f"{response.status} {response.reason}"
    if response.status == _FORBIDDEN:
        reason += ", which usually means that Cloudflare blocks this machine's address"
    return _no_discord(url, reason)


def _no_discord(url: str, reason: str) -> FatalError:
    return FatalError(
        f"Discord does not answer at {url} ({reason}). Check the network and DISCORD_API.",
        ExitCode.DISCORD_UNREACHABLE,
    )


async def login(client: Client, token: str) -> None:
    """Log in and register the commands. Raises FatalError."""
    try:
        await client.login(token)
    except discord.LoginFailure as error:
        raise FatalError(_TOKEN_REFUSED, ExitCode.TOKEN_REFUSED) from error
    except (discord.DiscordException, *NETWORK_ERRORS, OSError, ValueError) as error:
        raise _failed(error) from error


async def serve(client: Client, services: Services) -> None:
    """Answer events until the connection is closed for good. Raises FatalError."""
    try:
        await client.serve(services)
    except discord.PrivilegedIntentsRequired as error:
        raise FatalError(*_CLOSE_CODES[4014]) from error
    except discord.ConnectionClosed as error:
        if error.code not in _CLOSE_CODES:
            raise _failed(error) from error
        raise FatalError(*_CLOSE_CODES[error.code]) from error
    except (discord.DiscordException, *NETWORK_ERRORS, OSError) as error:
        raise _failed(error) from error


def _failed(error: Exception) -> FatalError:
    is_local = isinstance(error, OSError) and not isinstance(error, NETWORK_ERRORS)
    reason = str(error) if is_local else repr(error)  # repr would leave out the path
    return FatalError(f"The connection to Discord failed ({reason}).", ExitCode.DISCORD_UNREACHABLE)
