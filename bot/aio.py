"""Helpers for concurrent tasks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from itertools import chain, repeat
from typing import Any, TypeAlias, TypeVar

from bot.errors import ExitCode, FatalError

T = TypeVar("T")
Sleep: TypeAlias = Callable[[float], Awaitable[object]]
"""`asyncio.sleep`, or a pause that tests control. The argument is in seconds."""


class StartupCancelled(Exception):
    """The bot was asked to stop before it had started."""


async def cancel_on(stop: asyncio.Event, work: Coroutine[None, None, T]) -> T:
    """The result of `work`. If `stop` is set first, cancels it and raises StartupCancelled."""
    task, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
    finally:
        await _cancel(stopping, task)
    raise StartupCancelled


async def run_until(
    until: Coroutine[None, None, object], *parts: Coroutine[None, None, None]
) -> None:
    """Run all parts until `until` returns, then cancel them.

    Raises the error of a part that fails, and FatalError if a part returns.
    """
    stopping = asyncio.create_task(until)
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _cancel(stopping, *tasks)
    for task in (stopping, *tasks):
        if task in done:
            task.result()
    if stopping not in done:
        raise FatalError("A part of the bot stopped unexpectedly.", ExitCode.CRASHED)


async def retry(
    act: Callable[[], Awaitable[T]],
    errors: tuple[type[Exception], ...],
    delays: Sequence[float],
    delay_after: Callable[[Exception, float], float],
) -> T:
    """The result of `act`, which is repeated for as long as it raises one of these errors.

    `delays` are the seconds before each repetition; the last one is used for all further ones.
    `delay_after` is called with each error and its delay, and may return another delay.
    """
    for default in chain(delays, repeat(delays[-1])):
        try:
            return await act()
        except errors as error:
            delay = delay_after(error, default)
        await asyncio.sleep(delay)
    raise AssertionError("the retries never end")


@asynccontextmanager
async def background(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run `work` while the body runs, then cancel it."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        await _cancel(task)


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
