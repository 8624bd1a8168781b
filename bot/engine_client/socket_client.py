"""The bot's end of the wire: watch and restart the engine; submit, cancel, events."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Final

import msgspec

from bot.engine_client.process import Endpoint, EngineStartFailed
from bot.engine_client.watchdog import PATIENCE, SHORTEST_SECONDS, Watchdog
from bot.errors import BotError, ExitCode, FatalError
from engine.contract import (
    Cancel,
    Cancelled,
    Ending,
    Event,
    Failed,
    Heartbeat,
    Hello,
    ModelCard,
    Paint,
    Painted,
    Queued,
    Ready,
    Rejected,
    Stepped,
    wire,
)

_LOOK_SECONDS: Final = 1.0
"""Between two looks at whether the engine gets on."""
_GREETING_SECONDS: Final = 60.0
_BACKOFF_LONGEST: Final = 60.0
_BACKOFF_FIRST: Final = 0.5
_STEADY_SECONDS: Final = 60.0
log = logging.getLogger(__name__)

Launch = Callable[[], AbstractAsyncContextManager[Endpoint]]
ProgressCallback = Callable[[Queued | Stepped], None]


class EngineDied(BotError):
    """The engine died, or hung up, before the job ended."""


class _Pending(msgspec.Struct, eq=False):
    ending: asyncio.Future[Ending]
    watcher: ProgressCallback


class SocketEngineClient:
    """One engine at a time, started anew when it dies.

    Use as `async with`, which waits for the first Ready and raises FatalError if none comes;
    inside, `supervise` must be running.
    """

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._stack = AsyncExitStack()
        self._connection: wire.Connection[Event] | None = None
        self._model: ModelCard | None = None
        self._up = asyncio.Event()
        self._finished_a_job = False
        """Has this engine brought a job to its end?"""
        self._slowest_start = 0.0
        """Seconds until an engine was ready, at most; the first may have to fetch its model."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when the engine has come, or has gone."""
        self.restarts = 0
        """How often the engine was gone."""
        self.pulse: Heartbeat | None = None
        """The last one of the engine that there is; what it counts is of all that there were."""
        self._previous_heartbeat: Heartbeat | None = None
        self._pending: dict[tuple[str, int], _Pending] = {}

    async def __aenter__(self) -> "SocketEngineClient":
        try:
            await self._start()
        except (EngineStartFailed, EngineDied, OSError) as error:
            raise FatalError(
                f"The engine did not start: {error}", ExitCode.ENGINE_FAILED
            ) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    @property
    def is_connected(self) -> bool:
        """Is there an engine right now?"""
        return self._up.is_set()

    @property
    def model(self) -> ModelCard:
        """What the engine has, or had last, loaded."""
        if self._model is None:
            raise RuntimeError("The engine link is used outside `async with`.")
        return self._model

    async def submit(self, paint: Paint, watcher: ProgressCallback) -> Ending:
        """Send a job and wait for its ending; waits first while there is no engine.

        `watcher` is told of progress. Raises EngineDied if the engine dies meanwhile.
        """
        key = (paint.job, paint.attempt)
        pending = _Pending(asyncio.get_running_loop().create_future(), watcher)
        self._pending[key] = pending
        try:
            await self._up.wait()
            if not pending.ending.done():  # or it was cancelled meanwhile
                await self._send(paint)
            return await pending.ending
        finally:
            del self._pending[key]

    async def cancel(self, job: str, attempt: int) -> None:
        """Ask the engine to stop a job; without an engine it has stopped already."""
        pending = self._pending.get((job, attempt))
        if pending is None:
            return
        try:
            await self._send(Cancel(job=job, attempt=attempt))
        except EngineDied:
            log.info("The job was cancelled while the engine was gone.", extra={"job": job})
            if not pending.ending.done():
                pending.ending.set_result(Cancelled(job=job, attempt=attempt))

    async def supervise(self) -> None:
        """Listen to the engine, and start it again whenever it dies."""
        delay = _BACKOFF_FIRST
        while True:
            since = asyncio.get_running_loop().time()
            self._finished_a_job = False
            reason = await self._connection_lost()
            log.warning("The engine is gone (%s); starting it again.", reason)
            self.restarts += 1
            await self._stop()
            if self._finished_a_job or asyncio.get_running_loop().time() - since > _STEADY_SECONDS:
                delay = _BACKOFF_FIRST  # it is no loop of crashes
            while not self._up.is_set():
                await asyncio.sleep(delay)
                delay = min(delay * 2, _BACKOFF_LONGEST)
                await self._try_again()

    async def _try_again(self) -> None:
        patience = max(SHORTEST_SECONDS, PATIENCE * self._slowest_start)
        try:
            async with asyncio.timeout(patience):
                await self._start()
        except TimeoutError:
            log.error("The engine was not ready after %.0f s and is given up.", patience)  # noqa: TRY400 # no trace is wanted
        except (EngineStartFailed, EngineDied, OSError) as error:
            log.error("The engine did not start: %s", error)  # noqa: TRY400 # no trace is wanted

    async def _start(self) -> None:
        since = asyncio.get_running_loop().time()
        async with AsyncExitStack() as stack:
            endpoint = await stack.enter_async_context(self._launch())
            reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
            connection = await stack.enter_async_context(wire.bot_side(reader, writer))
            self._model = await _greet(connection, endpoint.token)
            self._connection = connection
            self._stack = stack.pop_all()
        self._slowest_start = max(self._slowest_start, asyncio.get_running_loop().time() - since)
        log.info("The engine is ready with %s on %s.", self._model.name, self._model.fingerprint)
        self._up.set()
        self.on_change()

    async def _stop(self) -> None:
        self._up.clear()
        self.on_change()
        self._previous_heartbeat = self.pulse or self._previous_heartbeat
        self._connection = self.pulse = None
        for pending in self._pending.values():
            if not pending.ending.done():
                pending.ending.set_exception(EngineDied("The engine died."))
        await self._stack.aclose()

    async def _send(self, command: Paint | Cancel) -> None:
        if self._connection is None:
            raise EngineDied("There is no engine right now.")
        try:
            await self._connection.send(command)
        except OSError as error:
            raise EngineDied("The engine hung up.") from error

    async def _connection_lost(self) -> str:
        """Why this engine is no more, or is to be given up."""
        watchdog = Watchdog(asyncio.get_running_loop().time())
        parts = [
            asyncio.create_task(part) for part in (self._listen(watchdog), self._guard(watchdog))
        ]
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)

    async def _guard(self, watchdog: Watchdog) -> str:
        """Returns when the engine does not get on any more, and says why."""
        clock = asyncio.get_running_loop().time
        while (reason := watchdog.failure_reason(before := clock())) is None:
            await asyncio.sleep(_LOOK_SECONDS)
            if clock() - before > 2 * _LOOK_SECONDS:
                watchdog.reset(clock())
            if not self._pending:
                watchdog.on_idle(clock())
        return reason

    async def _listen(self, watchdog: Watchdog) -> str:
        """Pass events on until the connection ends; says why it ended."""
        if self._connection is None:
            return "it never connected"
        try:
            while (event := await self._connection.receive()) is not None:
                watchdog.on_event(event, asyncio.get_running_loop().time())
                if isinstance(event, Rejected):
                    return event.reason
                self._pass_on(event)
        except (OSError, wire.WireError) as error:
            return str(error)
        return "it hung up"

    def _pass_on(self, event: Event) -> None:
        if isinstance(event, Heartbeat):
            self.pulse = event.plus(self._previous_heartbeat)
            return
        if isinstance(event, Ready | Rejected):
            return
        pending = self._pending.get((event.job, event.attempt))
        if pending is None or pending.ending.done():
            return  # of an attempt that nobody waits for any more
        if isinstance(event, Painted | Failed | Cancelled):
            self._finished_a_job = True
            pending.ending.set_result(event)
        else:
            pending.watcher(event)


async def _greet(connection: wire.Connection[Event], token: str) -> ModelCard:
    try:
        await connection.send(Hello(token))
        answer = await asyncio.wait_for(connection.receive(), _GREETING_SECONDS)
    except TimeoutError as error:
        raise EngineDied("it does not answer") from error
    except (OSError, wire.WireError) as error:
        raise EngineDied(f"it hung up ({error})") from error
    if not isinstance(answer, Ready):
        raise EngineDied(answer.reason if isinstance(answer, Rejected) else "it said nothing")
    return answer.model
