"""Show a frequently changing value at a limited rate."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[object]]


class Throttle(Generic[T]):
    """Passes the newest value to `show`, at most once every `seconds`, and skips repeated values.

    Ends when closed, or when `show` returns False. `sleep` waits between two calls.
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
        self._task = asyncio.create_task(self._run())

    def put(self, value: T) -> None:
        """Show this value next, instead of any that still waits."""
        self._newest = [value]
        self._changed.set()

    async def close(self) -> None:
        """Stop; returns when no call of `show` is running. A waiting value is dropped."""
        async with self._showing:
            self._task.cancel()

    async def _run(self) -> None:
        proceed, current = True, list[T]()
        while proceed:
            await self._changed.wait()
            self._changed.clear()
            if self._newest == current:
                continue
            async with self._showing:
                current = self._newest
                proceed = await self._show(current[0])
            await self._sleep(self._seconds)
