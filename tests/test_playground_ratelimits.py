"""Rate limits, with a clock that stands still between steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.playground.clock import Changes, Clock
from bot.playground.rest.ratelimits import RateLimited, RateLimits

STARTS = st.floats(1.6e9, 1.8e9)
WAITS = st.floats(0.0, 0.9999)


class ManualClock(Clock):
    """Shows `time`, in seconds since 1970."""

    def __init__(self, time: float) -> None:
        super().__init__(Changes())
        self.time = time

    def now(self) -> float:
        """Return `time`."""
        return self.time


def refused(limits: RateLimits, path: str) -> RateLimited:
    """Return the 429 of a request that is over the limit."""
    with pytest.raises(RateLimited) as error:
        limits.take("GET", path, {})
    return error.value


@given(STARTS, WAITS)
def test_a_request_after_retry_after_is_accepted(start: float, elapsed: float) -> None:
    """The body, `Retry-After` and `X-RateLimit-Reset-After` round up to milliseconds."""
    for header in (None, "Retry-After", "X-RateLimit-Reset-After"):
        clock = ManualClock(start)
        limits = RateLimits(clock, limits={("GET", "/users"): (1, 1.0)})
        limits.take("GET", "/users", {})
        clock.time += elapsed
        error = refused(limits, "/users")
        wait = error.wait if header is None else float(error.headers[header])
        assert 0 < wait <= 1.001
        clock.time += wait
        limits.take("GET", "/users", {})


@given(STARTS, WAITS)
def test_a_request_at_the_reset_time_is_accepted(start: float, elapsed: float) -> None:
    """`X-RateLimit-Reset` is no earlier than the end of the window."""
    clock = ManualClock(start)
    limits = RateLimits(clock, limits={("GET", "/users"): (1, 1.0)})
    limits.take("GET", "/users", {})
    clock.time += elapsed
    clock.time = float(refused(limits, "/users").headers["X-RateLimit-Reset"])
    limits.take("GET", "/users", {})


@given(STARTS, WAITS)
def test_a_request_after_the_global_limit_is_accepted(start: float, elapsed: float) -> None:
    """After `retry_after` seconds, as for the limit of a route."""
    clock = ManualClock(start)
    limits = RateLimits(clock)
    for n in range(50):
        limits.take("GET", f"/users/{n}", {})
    clock.time += elapsed
    clock.time += refused(limits, "/users").wait
    limits.take("GET", "/users", {})
