"""Show a frequently changing value at a limited rate."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from bot.aio import Sleep

T = TypeVar("T")


class NotShown(Exception):
    """The value could not be shown now."""


class Throttle(Generic[T]):
    """Passes the newest value to `show`, at most once every `seconds`, and skips repeated values.

    If `show` raises NotShown, the value that is the newest then is tried after the pause. The owner
    runs `run` in a task. `sleep` waits between two calls of `show`.
    """

    def __init__(
        self, show: Callable[[T], Awaitable[bool]], seconds: float, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._show = show
        self._seconds = seconds
        self._sleep = sleep
        self._newest: list[T] = []
        self._changed = asyncio.Event()
        self._showing = asyncio.Lock()
        self._is_closed = False

    def put(self, value: T) -> None:
        """Show this value next, instead of any that still waits."""
        self._newest = [value]
        self._changed.set()

    async def close(self) -> None:
        """Drop the waiting value, and return when no call of `show` is running."""
        self._is_closed = True
        self._changed.set()
        async with self._showing:
            pass

    async def run(self) -> None:
        """Run until closed, or until `show` returns False. Raises what else `show` raises."""
        proceed, current = True, list[T]()
        while proceed and not self._is_closed:
            await self._changed.wait()
            self._changed.clear()
            if self._newest == current:
                continue
            async with self._showing:
                if self._is_closed:
                    return
                current = self._newest
                try:
                    proceed = await self._show(current[0])
                except NotShown:
                    current = []
                    self._changed.set()
            await self._sleep(self._seconds)
