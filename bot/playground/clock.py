"""A clock that tests can advance, and waiting for changes without polling."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

POLL_SECONDS = 0.1


class Changes:
    """Wakes waiting coroutines whenever something in the playground changes."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Make every waiter evaluate its condition again."""
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, condition: Callable[[], object], *, seconds: float) -> bool:
        """Return whether the condition became true within `seconds` of real time.

        It is evaluated after each change and at least every `POLL_SECONDS`, because it may depend
        on state outside the playground.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not condition():
            if loop.time() >= deadline:
                return False
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiters.add(waiter)
            try:
                async with asyncio.timeout_at(min(deadline, loop.time() + POLL_SECONDS)):
                    await waiter
            except TimeoutError:
                continue
            finally:
                self._waiters.discard(waiter)
        return True


class Clock:
    """Real time plus the seconds added by `advance`."""

    def __init__(self, changes: Changes) -> None:
        self._offset = 0.0
        self._changes = changes

    def now(self) -> float:
        """Return seconds since 1970."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward, for example to expire tokens and signed URLs."""
        self._offset += seconds
        self._changes.notify()


def iso(seconds: float) -> str:
    """Format seconds since 1970 as an ISO 8601 timestamp in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()
