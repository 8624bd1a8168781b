"""Showing what changes often."""

import asyncio

from bot.messages.throttle import Throttle

PAUSE = 0.05


class Screen:
    """Remembers what was shown, and when."""

    def __init__(self, *, slow: float = 0.0, wanted: bool = True) -> None:
        self.shown: list[int] = []
        self.times: list[float] = []
        self._slow = slow
        self._wanted = wanted

    async def show(self, value: int) -> bool:
        """Takes as long as it was told to."""
        self.times.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self._slow)
        self.shown.append(value)
        return self._wanted


async def test_the_first_comes_at_once_and_then_the_newest() -> None:
    """What was overtaken is never shown."""
    screen = Screen()
    throttle = Throttle(screen.show, PAUSE)
    throttle.put(0)
    await asyncio.sleep(PAUSE / 5)
    for value in range(1, 50):
        throttle.put(value)
    await asyncio.sleep(PAUSE * 2)
    await throttle.close()
    assert screen.shown == [0, 49]
    assert screen.times[1] - screen.times[0] >= PAUSE * 0.9


async def test_nothing_is_shown_after_the_end() -> None:
    """What waits is dropped; what is being shown is finished first."""
    screen = Screen(slow=PAUSE)
    throttle = Throttle(screen.show, 0)
    throttle.put(1)
    await asyncio.sleep(PAUSE / 5)
    throttle.put(2)
    await throttle.close()
    assert screen.shown == [1]
    await asyncio.sleep(PAUSE * 2)
    assert screen.shown == [1]


async def test_it_ends_when_no_more_is_wanted() -> None:
    """So that nothing stays behind for a job that is gone."""
    screen = Screen(wanted=False)
    throttle = Throttle(screen.show, 0)
    throttle.put(1)
    await asyncio.sleep(PAUSE / 5)
    throttle.put(2)
    await asyncio.sleep(PAUSE / 5)
    assert screen.shown == [1]
    await throttle.close()


async def test_what_is_shown_already_is_not_shown_again() -> None:
    """But after something else it is."""
    screen = Screen()
    throttle = Throttle(screen.show, PAUSE / 10)
    for value in (1, 1, 2, 1):
        throttle.put(value)
        await asyncio.sleep(PAUSE)
    await throttle.close()
    assert screen.shown == [1, 2, 1]
