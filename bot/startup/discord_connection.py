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
from bot.gateway.shard import GatewayUnreachable
from bot.messages import discord_errors
from bot.messages.discord_errors import Meaning, meaning_of

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
_FORBIDDEN: Final = 403
_OK: Final = 200
_NOT_DISCORD: Final = (401, 404, 405, 407, 410)
"""Statuses of pages of a server that is not Discord, or of a proxy that wants a password."""
_PORTAL: Final = "https://discord.com/developers/applications"
_TOKEN_REFUSED: Final = f"Discord rejects this DISCORD_TOKEN. Copy it again from {_PORTAL}."
_CLOSE_CODES: Final[Mapping[int, tuple[str, ExitCode]]] = {
    4004: (
        f"Discord no longer accepts DISCORD_TOKEN: it was reset. Copy the new one from {_PORTAL}.",
        ExitCode.TOKEN_REFUSED,
    ),
    4010: ("Discord rejects the shard of this connection (4010).", ExitCode.GATEWAY_REFUSED),
    4011: (
        "The bot is in too many servers for its shards (4011), but Discord recommends no more of "
        "them. Start it again later.",
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
    patience = _Patience()
    while True:
        try:
            async with session.get(url, proxy=proxy, headers=headers) as response:
                if response.status == _OK:
                    return await response.json(content_type=None)
                reason = f"{response.status} {response.reason}"
                meaning = meaning_of(response.status, await _json_code(response))
                seconds = patience.seconds(meaning, response.status, response.headers)
        except (*NETWORK_ERRORS, ValueError) as error:
            raise _no_discord(url, repr(error)) from error
        except OSError as error:
            raise _failed(error) from error
        if seconds is None:
            raise _refused(url, meaning, response)
        await _wait(seconds, reason)


async def _json_code(response: aiohttp.ClientResponse) -> int | None:
    """Discord's error code; None if the response is not Discord's JSON."""
    if response.content_type != "application/json":
        return None
    try:
        body = await response.json()
    except ValueError:
        return None
    return body.get("code", 0) if isinstance(body, dict) else None


class _Patience:
    """How long to wait before the next attempt to reach Discord."""

    def __init__(self) -> None:
        self._delays = iter(_RETRY_SECONDS)

    def seconds(
        self, meaning: Meaning, status: int | None, headers: Mapping[str, str]
    ) -> float | None:
        """As long as the response asks for; None if another attempt is of no use.

        `status` is None if there is no response.
        """
        seconds = discord_errors.retry_after(headers)
        if seconds is None and status == _TOO_MANY_REQUESTS:
            return _DEFAULT_WAIT
        if seconds is None and meaning is Meaning.RETRY and status not in _NOT_DISCORD:
            return next(self._delays, None)
        return seconds


async def _wait(seconds: float, reason: str) -> None:
    until = time.strftime("%H:%M:%S", time.localtime(time.time() + seconds))
    log.warning("Discord answers %s; waiting until %s.", reason, until)
    await asyncio.sleep(seconds)


def _refused(url: str, meaning: Meaning, response: aiohttp.ClientResponse) -> FatalError:
    if meaning is Meaning.UNAUTHORIZED:
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
    """Log in and register the commands, with the patience of `configure_api`. Raises FatalError."""
    patience = _Patience()
    while True:
        try:
            return await client.login(token)
        except discord.LoginFailure as error:
            raise FatalError(_TOKEN_REFUSED, ExitCode.TOKEN_REFUSED) from error
        except discord.HTTPException as error:
            meaning, headers = discord_errors.meaning(error), error.response.headers
            seconds = patience.seconds(meaning, error.status, headers)
            if seconds is None:
                raise _failed(error) from error
            await client.http.close()
            client.http.connector = discord.utils.MISSING  # it was closed with the session
            await _wait(seconds, discord_errors.describe(error))
        except (discord.DiscordException, *NETWORK_ERRORS, OSError, ValueError) as error:
            # OSError: of certificate files; ValueError: of an answer that is not the JSON it says
            raise _failed(error) from error


async def serve(client: Client, services: Services) -> None:
    """Answer events until the connection is closed for good. Raises FatalError."""
    patience = _Patience()
    while True:
        try:
            return await client.serve(services)
        except GatewayUnreachable as error:
            cause = error.__context__
            meaning, status, headers = _refusal_of(cause)
            if meaning is Meaning.UNAUTHORIZED:
                raise FatalError(_TOKEN_REFUSED, ExitCode.TOKEN_REFUSED) from error
            seconds = patience.seconds(meaning, status, headers)
            if seconds is None:
                raise _no_discord(str(DiscordWebSocket.DEFAULT_GATEWAY), repr(cause)) from error
            await _wait(seconds, repr(cause))
        except discord.ConnectionClosed as error:
            if error.code not in _CLOSE_CODES:
                raise _failed(error) from error
            raise FatalError(*_CLOSE_CODES[error.code]) from error
        except (discord.DiscordException, *NETWORK_ERRORS, OSError) as error:
            raise _failed(error) from error


def _refusal_of(
    cause: BaseException | None,
) -> tuple[Meaning, int | None, Mapping[str, str]]:
    """What a failed first connection means, and the status and headers of the response, if any."""
    if isinstance(cause, aiohttp.WSServerHandshakeError):
        return meaning_of(cause.status, None), cause.status, dict(cause.headers or {})
    if isinstance(cause, discord.HTTPException):
        return discord_errors.meaning(cause), cause.status, cause.response.headers
    return Meaning.RETRY, None, {}


def _failed(error: Exception) -> FatalError:
    is_local = isinstance(error, OSError) and not isinstance(error, NETWORK_ERRORS)
    reason = str(error) if is_local else repr(error)  # repr would leave out the path
    return FatalError(f"The connection to Discord failed ({reason}).", ExitCode.DISCORD_UNREACHABLE)
