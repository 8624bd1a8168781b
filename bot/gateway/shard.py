"""One shard: a connection to Discord's gateway that is kept up until the client is closed."""

import asyncio
import logging
import random
from contextlib import suppress
from typing import Final

import aiohttp
import discord
import yarl
from discord.backoff import ExponentialBackoff
from discord.gateway import DiscordWebSocket, ReconnectWebSocket

from bot.gateway.identify_limit import IDENTIFY_SECONDS, IdentifyLimit

MAX_RESUMES: Final = 3
"""Failed attempts to resume a session at its own host before the main gateway is tried."""
CONNECT_SECONDS: Final = 60.0
CONNECTION_ERRORS: Final = (
    *(OSError, TimeoutError, aiohttp.ClientError),
    *(discord.HTTPException, discord.GatewayNotFound),
)
"""After these, another attempt may succeed."""
_MIN_PAUSE: Final = 0.2
"""Discord asks for a random pause of 1 to 5 seconds after an invalid session."""
log = logging.getLogger(__name__)


class GatewayUnreachable(Exception):
    """The first connection to the gateway failed; the context says why."""


class Shard:
    """A shard of a client. discord.py's own uses one event queue for all, and never resumes later.

    The attributes `id` and `ws` and the method `close` are those that `AutoShardedClient` uses.
    """

    def __init__(
        self, client: discord.AutoShardedClient, id: int, limit: IdentifyLimit, *, is_first: bool
    ) -> None:
        """`is_first`: a first connection that fails is an error, and is not tried again."""
        self.id = id
        self.ws: DiscordWebSocket | None = None
        """The newest connection, open or not; None before the first."""
        self.connected = asyncio.Event()
        """Set when the first connection has begun."""
        self.is_ready = False
        self._presence: tuple[object, ...] = ()
        """What the newest session shows of the bot, with its id."""
        self._client = client
        self._limit = limit
        self._is_first = is_first
        self._failures = 0

    @property
    def latency(self) -> float:
        """Seconds from a heartbeat to its acknowledgement; infinite before the first."""
        return float("inf") if self.ws is None else self.ws.latency

    def mark_ready(self) -> None:
        """The session has begun or was resumed; the connection may be lost again already."""
        self.is_ready, self._failures = self.ws is not None and self.ws.open, 0

    async def show_presence(self, activity: discord.BaseActivity, status: discord.Status) -> None:
        """Show what the bot does, unless the session shows it already.

        A new session shows nothing. A connection that fails meanwhile is left to `run`.
        """
        if self.ws is None or not self.is_ready:
            return
        presence = self.ws.session_id, activity.to_dict(), status
        if presence == self._presence:
            return
        with suppress(discord.ConnectionClosed, *CONNECTION_ERRORS):
            await self.ws.change_presence(activity=activity, status=str(status))
            self._presence = presence

    async def close(self) -> None:
        """End the session."""
        if self.ws is not None:
            await self.ws.close(code=1000)

    async def run(self) -> None:
        """Keep the connection up until the client is closed.

        Raises GatewayUnreachable if the first connection of the first shard fails, and
        discord.ConnectionClosed with a close code after which Discord forbids to reconnect.
        """
        backoff = ExponentialBackoff()
        while not self._client.is_closed():
            try:
                self.ws = ws = await self._connect()
                self.connected.set()
                while True:
                    await ws.poll_event()
            except ReconnectWebSocket as error:
                self._on_lost(error)
                if not error.resume:
                    pause = random.uniform(_MIN_PAUSE, 1)  # noqa: S311 # no secret
                    await asyncio.sleep(pause * self._limit.interval)
            except discord.ConnectionClosed:
                self._on_lost(None)
                if not self._client.is_closed():
                    raise
            except CONNECTION_ERRORS as error:
                self._on_lost(error)
                # as long as discord.py waits, unless the limit's interval is another
                seconds = backoff.delay() * self._limit.interval / IDENTIFY_SECONDS
                log.warning(
                    "Shard %d is not connected (%r). Trying again in %.1f s.",
                    *(self.id, error, seconds),
                )
                await asyncio.sleep(seconds)

    async def _connect(self) -> DiscordWebSocket:
        """Resume the session, or start a new one when that is allowed."""
        last = self.ws
        if last is not None and last.session_id is not None:
            return await self._open(last.gateway, last)
        async with self._limit.slot(self.id):
            return await self._open(DiscordWebSocket.DEFAULT_GATEWAY, None)

    async def _open(self, gateway: yarl.URL, last: DiscordWebSocket | None) -> DiscordWebSocket:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await DiscordWebSocket.from_client(
                self._client,
                gateway=gateway,
                shard_id=self.id,
                resume=last is not None,
                session=None if last is None else last.session_id,
                sequence=None if last is None else last.sequence,
            )

    def _on_lost(self, error: Exception | None) -> None:
        """After failed resumes, leave the host of the session, which alone may be down.

        The main gateway resumes the session or starts a new one.
        """
        self.is_ready = False
        self._client.dispatch("disconnect")
        self._client.dispatch("shard_disconnect", self.id)
        if self.ws is None:
            if self._is_first and error is not None:
                raise GatewayUnreachable from error
            return
        self._failures += 1
        if self._failures > MAX_RESUMES:
            self.ws.gateway = DiscordWebSocket.DEFAULT_GATEWAY
