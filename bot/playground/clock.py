"""A clock that tests can advance, and waiting for changes without polling."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

POLL_SECONDS = 0.1
CALL_DELAY = 0.01  # seconds after the time of a call, as clocks may differ a little


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
        self._calls: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        """Return seconds since 1970."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward, for example to expire tokens and signed URLs."""
        self._offset += seconds
        self._call_due()
        self._changes.notify()

    def call_at(self, time: float, callback: Callable[[], None]) -> None:
        """Call back at a time, in seconds since 1970, or as soon as it is over."""
        self._calls.append((time, callback))
        loop = asyncio.get_running_loop()
        loop.call_later(max(time - self.now(), 0.0) + CALL_DELAY, self._call_due)

    def _call_due(self) -> None:
        now = self.now()
        due = [callback for time, callback in self._calls if time <= now]
        self._calls = [call for call in self._calls if call[0] > now]
        for callback in due:
            callback()


def iso(seconds: float) -> str:
    """Format seconds since 1970 as an ISO 8601 timestamp in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()
