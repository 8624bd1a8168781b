"""Show what changes often at a bounded pace: the newest wins, and nothing after the end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Throttle(Generic[T]):
    """Hands the newest value to `show`, at most once every `seconds`, unless it is shown already.

    Until closed, or until `show` returns False.
    """

    def __init__(self, show: Callable[[T], Awaitable[bool]], seconds: float) -> None:
        self._show = show
        self._seconds = seconds
        self._newest: list[T] = []
        self._fresh = asyncio.Event()
        self._showing = asyncio.Lock()
        self._task = asyncio.create_task(self._run())

    def put(self, value: T) -> None:
        """Show this soon, instead of anything that still waits."""
        self._newest = [value]
        self._fresh.set()

    async def close(self) -> None:
        """Returns when nothing is being shown any more; what waits is dropped."""
        async with self._showing:
            self._task.cancel()

    async def _run(self) -> None:
        wanted, shown = True, list[T]()
        while wanted:
            await self._fresh.wait()
            self._fresh.clear()
            if self._newest == shown:
                continue
            async with self._showing:
                shown = self._newest
                wanted = await self._show(shown[0])
            await asyncio.sleep(self._seconds)
