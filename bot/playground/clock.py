"""Time and waiting: a clock that tests can advance, and waiting for a change without polling."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

OTHER_THINGS_SECONDS = 0.1


class Changes:
    """Wakes whoever waits, each time that something in the playground changes."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Let every waiter look at its condition again."""
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, condition: Callable[[], object], *, seconds: float) -> bool:
        """Whether the condition came true within so many (real) seconds.

        It is looked at after each change, and now and then, as it may be about other things too.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not condition():
            if loop.time() >= deadline:
                return False
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiters.add(waiter)
            try:
                async with asyncio.timeout_at(min(deadline, loop.time() + OTHER_THINGS_SECONDS)):
                    await waiter
            except TimeoutError:
                continue
            finally:
                self._waiters.discard(waiter)
        return True


class Clock:
    """The time in the playground: real time, plus what has been added by `advance`."""

    def __init__(self, changes: Changes) -> None:
        self._ahead = 0.0
        self._changes = changes

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let time jump: tokens expire, signed addresses go stale."""
        self._ahead += seconds
        self._changes.notify()


def iso(seconds: float) -> str:
    """A moment as Discord writes it in JSON."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()
