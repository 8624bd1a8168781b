"""When a shard may start a session: Discord limits how many start at once, and in a day.

https://docs.discord.com/developers/events/gateway#session-start-limit-object
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Final

import msgspec

IDENTIFY_SECONDS: Final = 5.0
"""Between two sessions that start in one bucket, which is `shard_id % max_concurrency`."""
log = logging.getLogger(__name__)


class SessionStartLimit(msgspec.Struct, frozen=True):
    """How many sessions the bot may still start. When it starts more, Discord resets its token."""

    remaining: int
    reset_after: float
    """Milliseconds until all of a day's sessions are allowed again."""
    max_concurrency: Annotated[int, msgspec.Meta(ge=1)]
    """How many sessions may start within `IDENTIFY_SECONDS`."""


class GatewayBot(msgspec.Struct, frozen=True):
    """The response of `GET /gateway/bot`."""

    shards: Annotated[int, msgspec.Meta(ge=1)]
    """The number of shards that Discord recommends."""
    session_start_limit: SessionStartLimit


class _Bucket:
    """Shards that may start their sessions only one after another."""

    def __init__(self, free_at: float = 0.0) -> None:
        self.lock = asyncio.Lock()
        self.free_at = free_at
        """When the next session may start, in the time of the event loop."""


class IdentifyLimit:
    """Makes the shards of one process wait until they may start a session."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[GatewayBot]],
        interval: float = IDENTIFY_SECONDS,
    ) -> None:
        """`fetch` asks Discord again when no session is left; `interval` is in seconds."""
        self.interval = interval
        self._fetch = fetch
        self._max_concurrency = 1
        self._remaining = 0
        self._resets_at = 0.0
        self._buckets: dict[int, _Bucket] = {}
        self._resetting = asyncio.Lock()

    def update(self, limit: SessionStartLimit) -> None:
        """Take over what Discord said last."""
        now = _now()
        self._remaining = limit.remaining
        self._resets_at = now + limit.reset_after / 1000
        if limit.max_concurrency != self._max_concurrency:
            free_at = now + self.interval if self._buckets else 0.0  # the buckets are others now
            self._max_concurrency = limit.max_concurrency
            self._buckets = {key: _Bucket(free_at) for key in range(limit.max_concurrency)}

    @asynccontextmanager
    async def slot(self, shard_id: int) -> AsyncIterator[None]:
        """Wait until the shard may start a session. The body must send IDENTIFY at its end.

        Shards of one bucket wait for each other, those of different buckets do not. Raises what
        `fetch` raises.
        """
        bucket = self._buckets.setdefault(shard_id % self._max_concurrency, _Bucket())
        async with bucket.lock:
            await asyncio.sleep(bucket.free_at - _now())
            async with self._resetting:
                await self._wait_for_reset()
                self._remaining -= 1
            try:
                yield
            finally:
                bucket.free_at = _now() + self.interval

    async def _wait_for_reset(self) -> None:
        """Return when at least one session may be started."""
        while self._remaining <= 0:
            seconds = self._resets_at - _now()
            if seconds > 0:
                until = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + seconds))
                log.warning(
                    "The bot has started all gateway sessions that Discord allows in a day. It "
                    "waits until %s, because Discord would reset its token.",
                    until,
                )
                await asyncio.sleep(seconds)
            self.update((await self._fetch()).session_start_limit)
            if self._remaining <= 0:
                self._resets_at = max(self._resets_at, _now() + self.interval)


def _now() -> float:
    return asyncio.get_running_loop().time()
