"""Rate limits per route and major parameter, and the global one."""

import hashlib
import math
from collections import deque
from dataclasses import dataclass, field

from bot.playground.clock import Clock
from bot.playground.errors import ApiError, Json

GLOBAL_LIMIT = 50  # requests per second
MAJOR_PARAMETERS = ("channel_id", "guild_id", "webhook_token")
# Requests and seconds. Discord does not document these; they are observed in its headers.
LIMITS: dict[tuple[str, str], tuple[int, float]] = {
    ("POST", "/channels/{channel_id}/messages"): (5, 5.0),
    ("PATCH", "/channels/{channel_id}/messages/{message_id}"): (5, 5.0),
    ("DELETE", "/channels/{channel_id}/messages/{message_id}"): (5, 1.0),
    ("PUT", "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/@me"): (1, 0.25),
}
WEBHOOK_LIMIT = (5, 2.0)
DEFAULT_LIMIT = (50, 1.0)


def _round_up(seconds: float) -> float:
    """Round up to milliseconds, so that a client that waits this long is not early."""
    return math.ceil(seconds * 1000) / 1000


class RateLimited(ApiError):
    """A 429 response; `wait` is in seconds."""

    def __init__(self, wait: float, *, scope: str) -> None:
        super().__init__(429, 0, "You are being rate limited.")
        self.wait = _round_up(wait)
        self.scope = scope
        self.headers = {"Retry-After": str(self.wait), "X-RateLimit-Scope": scope}
        if scope == "global":
            self.headers["X-RateLimit-Global"] = "true"

    def body(self) -> Json:
        """Return the JSON body of the response."""
        return {
            "message": self.message,
            "code": 0,
            "retry_after": self.wait,
            "global": self.scope == "global",
        }


@dataclass
class Bucket:
    """A fixed-window counter: `limit` requests in `seconds`."""

    limit: int
    seconds: float
    resets_at: float = 0.0
    count: int = 0

    def take(self, now: float) -> float:
        """Count a request; return 0, or the seconds to wait if the limit is reached."""
        if now >= self.resets_at:
            self.count, self.resets_at = 0, now + self.seconds
        if self.count >= self.limit:
            return self.resets_at - now
        self.count += 1
        return 0.0


@dataclass
class RateLimits:
    """The buckets of the bot. Tests lower `limits` to provoke 429s."""

    clock: Clock
    limits: dict[tuple[str, str], tuple[int, float]] = field(default_factory=lambda: dict(LIMITS))
    _buckets: dict[str, Bucket] = field(default_factory=dict)
    _recent: deque[float] = field(default_factory=deque)

    def take(self, method: str, template: str, params: dict[str, str]) -> dict[str, str]:
        """Count a request; return its rate limit headers or raise RateLimited."""
        if template.startswith("/interactions/"):
            return {}  # interaction callbacks have no rate limit
        now = self.clock.now()
        if not template.startswith("/webhooks/"):
            self._take_global(now)
        route = hashlib.sha256(f"{method} {template}".encode()).hexdigest()[:24]
        key = ":".join([route, *(params.get(name, "") for name in MAJOR_PARAMETERS)])
        bucket = self._buckets.get(key)
        if bucket is None:
            self._remove_expired(now)
            bucket = self._buckets[key] = Bucket(*self._limit(method, template))
        wait = bucket.take(now)
        headers = _headers(bucket, route, now)
        if wait:
            error = RateLimited(wait, scope="user")
            error.headers |= headers
            raise error
        return headers

    def _limit(self, method: str, template: str) -> tuple[int, float]:
        default = WEBHOOK_LIMIT if template.startswith("/webhooks/") else DEFAULT_LIMIT
        return self.limits.get((method, template), default)

    def _remove_expired(self, now: float) -> None:
        if len(self._buckets) > 1000:
            self._buckets = {k: b for k, b in self._buckets.items() if b.resets_at > now}

    def _take_global(self, now: float) -> None:
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if len(self._recent) >= GLOBAL_LIMIT:
            raise RateLimited(self._recent[0] + 1 - now, scope="global")
        self._recent.append(now)


def _headers(bucket: Bucket, route: str, now: float) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(bucket.limit),
        "X-RateLimit-Remaining": str(bucket.limit - bucket.count),
        "X-RateLimit-Reset": f"{_round_up(bucket.resets_at):.3f}",
        "X-RateLimit-Reset-After": f"{_round_up(bucket.resets_at - now):.3f}",
        "X-RateLimit-Bucket": route,
    }
