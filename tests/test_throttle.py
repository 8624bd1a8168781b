"""Showing what changes often."""

import asyncio

from bot.messages.throttle import Throttle

SECONDS = 1.5


class Pauses:
    """Replaces asyncio.sleep: a pause lasts until `end` is called."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._end = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Wait for `end`."""
        self.seconds.append(seconds)
        await self._end.wait()
        self._end.clear()

    async def end(self) -> None:
        """End the pause that lasts now; returns when all that follows from it has happened."""
        self._end.set()
        await idle()


class Screen:
    """Remembers what was shown. While `ready` is clear, showing takes time."""

    def __init__(self, *, wanted: bool = True) -> None:
        self.shown: list[int] = []
        self.ready = asyncio.Event()
        self.ready.set()
        self._wanted = wanted

    async def show(self, value: int) -> bool:
        """Returns whether more is wanted."""
        await self.ready.wait()
        self.shown.append(value)
        return self._wanted


async def idle() -> None:
    """Let all tasks run until they wait for something."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_first_comes_at_once_and_then_the_newest() -> None:
    """What was overtaken during the pause is never shown."""
    screen, pauses = Screen(), Pauses()
    throttle = Throttle(screen.show, SECONDS, pauses.sleep)
    throttle.put(0)
    await idle()
    for value in range(1, 50):
        throttle.put(value)
        await idle()
    assert screen.shown == [0]
    await pauses.end()
    assert screen.shown == [0, 49]
    assert pauses.seconds == [SECONDS, SECONDS]
    await throttle.close()


async def test_nothing_is_shown_after_the_end() -> None:
    """What waits is dropped; what is being shown is finished first."""
    screen, pauses = Screen(), Pauses()
    throttle = Throttle(screen.show, SECONDS, pauses.sleep)
    screen.ready.clear()
    throttle.put(1)
    await idle()
    throttle.put(2)
    closing = asyncio.create_task(throttle.close())
    await idle()
    assert not closing.done()
    screen.ready.set()
    await closing
    assert screen.shown == [1]
    await pauses.end()
    assert screen.shown == [1]


async def test_it_ends_when_no_more_is_wanted() -> None:
    """So that nothing stays behind for a job that is gone."""
    screen, pauses = Screen(wanted=False), Pauses()
    throttle = Throttle(screen.show, SECONDS, pauses.sleep)
    throttle.put(1)
    await idle()
    throttle.put(2)
    await pauses.end()
    assert screen.shown == [1]
    await throttle.close()


async def test_what_is_shown_already_is_not_shown_again() -> None:
    """But after something else it is."""
    screen, pauses = Screen(), Pauses()
    throttle = Throttle(screen.show, SECONDS, pauses.sleep)
    for value in (1, 1, 2, 1):
        throttle.put(value)
        await idle()
        await pauses.end()
    await throttle.close()
    assert screen.shown == [1, 2, 1]
