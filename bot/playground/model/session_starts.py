"""How many gateway sessions a bot may start: at the same time, and in a day.

https://docs.discord.com/developers/events/gateway#session-start-limit-object
"""

import math
from collections.abc import Collection
from enum import Enum, auto

from bot.playground.clock import Clock
from bot.playground.errors import Json

IDENTIFY_SECONDS = 5.0  # between two sessions that start in one bucket
DAY = 24 * 3600.0
TOTAL = 1_000  # sessions that a bot in less than 150,000 guilds may start in a day
GUILDS_PER_SHARD = 1_000  # as recommended


class StartResult(Enum):
    """What becomes of an IDENTIFY."""

    STARTED = auto()
    TOO_SOON = auto()
    """Another session of the same bucket has just started."""
    TOKEN_RESET = auto()
    """There were too many sessions in a day."""


class SessionStarts:
    """The session start limit. Tests set its public attributes."""

    def __init__(self, clock: Clock) -> None:
        self.interval = IDENTIFY_SECONDS
        """Seconds between two sessions that start in one bucket; 0 if there is no limit."""
        self.max_concurrency = 1
        """The number of buckets; that of a shard is its id modulo this number."""
        self.total = TOTAL
        """Sessions that may start in a day."""
        self.recommended_shards: int | None = None
        """What `GET /gateway/bot` recommends; None if it is computed from the guilds."""
        self.is_token_reset = False
        """Whether the token is invalid, because too many sessions were started."""
        self.too_soon = 0
        """How many IDENTIFYs came too soon."""
        self._clock = clock
        self._used = 0
        self._resets_at = 0.0
        self._last: dict[int, float] = {}

    @property
    def remaining(self) -> int:
        """How many sessions may be started until `reset_after` is over."""
        return self.total - (self._used if self._clock.now() < self._resets_at else 0)

    def start(self, shard_id: int) -> StartResult:
        """Count an IDENTIFY, and return whether a session starts."""
        now, bucket = self._clock.now(), shard_id % self.max_concurrency
        if now >= self._resets_at:
            self._used, self._resets_at = 0, now + DAY
        if self._used >= self.total:
            self.is_token_reset = True
            return StartResult.TOKEN_RESET
        self._used += 1
        if now - self._last.get(bucket, -math.inf) < self.interval:
            self.too_soon += 1
            return StartResult.TOO_SOON
        self._last[bucket] = now
        return StartResult.STARTED

    def to_json(self) -> Json:
        """Return the session start limit object; its `reset_after` is in milliseconds."""
        return {
            "total": self.total,
            "remaining": self.remaining,
            "reset_after": max(int(1000 * (self._resets_at - self._clock.now())), 0),
            "max_concurrency": self.max_concurrency,
        }

    def shards(self, guilds: Collection[object]) -> int:
        """Return the recommended number of shards for these guilds."""
        return self.recommended_shards or max(math.ceil(len(guilds) / GUILDS_PER_SHARD), 1)
