"""Work that goes on beside other work."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from bot.errors import ExitCode, FatalError

T = TypeVar("T")


class StartupCancelled(Exception):
    """Somebody asked the bot to stop before it had started."""


async def cancel_on(stop: asyncio.Event, part: Coroutine[None, None, T]) -> T:
    """What comes of this part. Raises StartupCancelled, and cancels it, if `stop` is set first."""
    task, stopping = asyncio.create_task(part), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
    finally:
        await _cancelled(stopping, task)
    raise StartupCancelled


async def run_until(
    until: Coroutine[None, None, object], *parts: Coroutine[None, None, None]
) -> None:
    """All parts run until `until` returns; a part that ends by itself ends them all."""
    stopping = asyncio.create_task(until)
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _cancelled(stopping, *tasks)
    for task in (stopping, *tasks):
        if task in done:
            task.result()
    if stopping not in done:
        raise FatalError("A part of the bot ended by itself.", ExitCode.CRASHED)


@asynccontextmanager
async def background(part: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """This part runs while the body does."""
    task = asyncio.create_task(part)
    try:
        yield
    finally:
        await _cancelled(task)


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
