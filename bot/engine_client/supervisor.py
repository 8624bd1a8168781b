"""Starts an engine, watches it, and starts it again when it dies or hangs."""

import asyncio
import errno
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final, Self

from bot.aio import Sleep, background
from bot.engine_client.base import EngineDied
from bot.engine_client.process import EngineStartFailed
from bot.engine_client.socket_client import Endpoint, SocketEngineClient
from bot.errors import ExitCode, FatalError
from engine.contract.watchdog import PATIENCE, SHORTEST_SECONDS, Watchdog

_CHECK_SECONDS: Final = 1.0
"""Between two checks by the watchdog."""
_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 60.0
_STABLE_SECONDS: Final = 60.0
"""After this time the delay before a restart begins at its first value again."""
log = logging.getLogger(__name__)

Launch = Callable[[], AbstractAsyncContextManager[Endpoint]]
"""Starts an engine on entry and stops it on exit."""


class EngineSupervisor:
    """Use as `async with`; inside, `run` must be running.

    Entering waits for the first engine and raises FatalError, with `failure` and the reason, if it
    does not start. A restart may always take `start_seconds`. `clock` is monotonic, and `sleep`
    waits by it.
    """

    def __init__(
        self,
        client: SocketEngineClient,
        launch: Launch,
        *,
        start_seconds: float = SHORTEST_SECONDS,
        failure: str = "The engine did not start",
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._client = client
        self._launch = launch
        self._start_seconds = start_seconds
        self._failure = failure
        self._clock = clock
        self._sleep = sleep
        self._stack = AsyncExitStack()
        """Holds the engine's process and the connection to it."""
        self._slowest_start = 0.0
        """In seconds; the first start may have to download its model."""

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except (EngineStartFailed, EngineDied, OSError) as error:
            reason = _reason(error)
            raise FatalError(f"{self._failure}: {reason}", ExitCode.ENGINE_FAILED) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def run(self) -> None:
        """Watch the engine, and restart it after each failure, with exponential backoff."""
        delay = _FIRST_DELAY
        while True:
            started_at, finished_jobs = self._clock(), self._client.finished_jobs
            reason = await self._watch()
            log.warning("The engine failed (%s); restarting it.", reason)
            await self._stack.aclose()
            has_worked = self._client.finished_jobs > finished_jobs
            if has_worked or self._clock() - started_at > _STABLE_SECONDS:
                delay = _FIRST_DELAY
            while not self._client.status.is_connected:
                await self._sleep(delay)
                delay = min(delay * 2, _LONGEST_DELAY)
                await self._restart()

    async def _restart(self) -> None:
        timeout = max(self._start_seconds, PATIENCE * self._slowest_start)
        try:
            async with asyncio.timeout(timeout):
                await self._start()
        except TimeoutError:
            log.error("The engine was not ready after %.0f s, so it is stopped.", timeout)  # noqa: TRY400 # the traceback says nothing
        except (EngineStartFailed, EngineDied, OSError) as error:
            log.error("%s: %s", self._failure, _reason(error))  # noqa: TRY400 # the traceback says nothing

    async def _start(self) -> None:
        started_at = self._clock()
        async with AsyncExitStack() as stack:
            endpoint = await stack.enter_async_context(self._launch())
            await stack.enter_async_context(self._client.connect(endpoint))
            self._stack = stack.pop_all()
        self._slowest_start = max(self._slowest_start, self._clock() - started_at)

    async def _watch(self) -> str:
        """Wait for a failure of the engine; returns the reason of the connection or watchdog."""
        clock = self._clock
        watchdog = Watchdog(clock())
        tasks = [
            asyncio.create_task(
                self._client.listen(lambda event: watchdog.on_event(event, clock()))
            ),
            asyncio.create_task(self._check(watchdog)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(task.result() for task in tasks if task.done())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _check(self, watchdog: Watchdog) -> str:
        """Wait until the watchdog detects a failure; returns its reason."""
        clock = self._clock
        while (reason := watchdog.failure_reason(checked_at := clock())) is None:
            await self._sleep(_CHECK_SECONDS)
            if clock() - checked_at > 2 * _CHECK_SECONDS:
                watchdog.reset(clock())
            if not self._client.has_pending_jobs:
                watchdog.on_idle(clock())
        return reason


def _reason(error: Exception) -> str:
    """What an operator can do something about."""
    if f"[Errno {errno.ECONNREFUSED}]" in str(error):
        return "nothing listens there"
    if isinstance(error, socket.gaierror):
        return "there is no such host"
    return str(error)


@asynccontextmanager
async def supervised_engine(
    launch: Launch,
    *,
    start_seconds: float = SHORTEST_SECONDS,
    failure: str = "The engine did not start",
    clock: Callable[[], float] = time.monotonic,
    sleep: Sleep = asyncio.sleep,
) -> AsyncIterator[SocketEngineClient]:
    """A client of an engine that is supervised, with these options, while the body runs.

    Raises FatalError if the engine does not start.
    """
    client = SocketEngineClient()
    supervisor = EngineSupervisor(
        client, launch, start_seconds=start_seconds, failure=failure, clock=clock, sleep=sleep
    )
    async with supervisor, background(supervisor.run()):
        yield client
