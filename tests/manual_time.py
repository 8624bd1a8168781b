"""A clock that stands still until a test advances it, and a sleep that follows it."""

import asyncio


class ManualTime:
    """`clock` and `sleep` replace the event loop's time and `asyncio.sleep`."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        """The durations of all calls of `sleep`, in order."""
        self._now = 1000.0
        self._advanced = asyncio.Event()

    def clock(self) -> float:
        """The current time in seconds."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return once the clock has been advanced by so many seconds."""
        self.pauses.append(seconds)
        end = self._now + seconds
        while self._now < end:
            await self._advanced.wait()

    async def advance(self, seconds: float) -> None:
        """Advance the clock, and let all tasks run until they wait for something else."""
        self._now += seconds
        advanced, self._advanced = self._advanced, asyncio.Event()
        advanced.set()
        await idle()


async def idle() -> None:
    """Let all tasks run until they wait for something outside of this process."""
    for _ in range(20):
        await asyncio.sleep(0)
