"""A throttle shows a frequently changing value at a limited rate."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.messages.throttle import NotShown, Throttle
from tests.manual_time import idle

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
        """End the current pause, and let all tasks run until they wait again."""
        self._end.set()
        await idle()


class Screen:
    """Records the values that it shows. While `ready` is clear, showing takes time."""

    def __init__(self, *, proceed: bool = True) -> None:
        self.values: list[int] = []
        self.ready = asyncio.Event()
        self.ready.set()
        self._proceed = proceed

    async def show(self, value: int) -> bool:
        """Record the value; return whether more values may follow."""
        await self.ready.wait()
        self.values.append(value)
        return self._proceed


@asynccontextmanager
async def running(screen: Screen, pauses: Pauses) -> AsyncIterator[Throttle[int]]:
    """A throttle whose task ends with the block."""
    throttle = Throttle(screen.show, SECONDS, pauses.sleep)
    task = asyncio.create_task(throttle.run())
    try:
        yield throttle
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_first_value_is_shown_at_once_and_then_the_newest() -> None:
    """Values that were replaced during the pause are never shown."""
    screen, pauses = Screen(), Pauses()
    async with running(screen, pauses) as throttle:
        throttle.put(0)
        await idle()
        for value in range(1, 50):
            throttle.put(value)
            await idle()
        assert screen.values == [0]
        await pauses.end()
        assert screen.values == [0, 49]
        assert pauses.seconds == [SECONDS, SECONDS]


async def test_close_waits_for_the_current_call_and_drops_the_next_value() -> None:
    """Nothing is shown after `close` has returned."""
    screen, pauses = Screen(), Pauses()
    async with running(screen, pauses) as throttle:
        screen.ready.clear()
        throttle.put(1)
        await idle()
        throttle.put(2)
        closing = asyncio.create_task(throttle.close())
        await idle()
        assert not closing.done()
        screen.ready.set()
        await closing
        assert screen.values == [1]
        await pauses.end()
        assert screen.values == [1]


async def test_run_ends_when_show_returns_false() -> None:
    """No task is left for a job that was deleted."""
    screen, pauses = Screen(proceed=False), Pauses()
    async with running(screen, pauses) as throttle:
        throttle.put(1)
        await idle()
        throttle.put(2)
        await pauses.end()
        assert screen.values == [1]


async def test_a_repeated_value_is_not_shown_again() -> None:
    """It is shown again after another value."""
    screen, pauses = Screen(), Pauses()
    async with running(screen, pauses) as throttle:
        for value in (1, 1, 2, 1):
            throttle.put(value)
            await idle()
            await pauses.end()
        assert screen.values == [1, 2, 1]


async def test_a_value_that_was_not_shown_is_tried_again() -> None:
    """After the pause, unless there is a newer one; then that one."""
    attempts: list[int] = []

    async def show(value: int) -> bool:
        attempts.append(value)
        if len(attempts) <= 2:
            raise NotShown
        return True

    pauses = Pauses()
    throttle = Throttle(show, SECONDS, pauses.sleep)
    task = asyncio.create_task(throttle.run())
    throttle.put(1)
    await idle()
    await pauses.end()
    assert attempts == [1, 1]
    throttle.put(2)
    for _ in range(2):
        await pauses.end()
    assert attempts == [1, 1, 2]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_error_of_show_ends_run() -> None:
    """The owner of the task receives it."""

    async def show(_: int) -> bool:
        raise ValueError("broken")

    throttle = Throttle(show, SECONDS)
    throttle.put(1)
    with pytest.raises(ValueError, match="broken"):
        await throttle.run()
