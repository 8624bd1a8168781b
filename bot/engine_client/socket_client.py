"""An EngineClient that speaks the engine's protocol over a socket."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import msgspec

from bot.engine_client.base import NO_FILES, EngineDied, EngineStatus, EventCallback
from engine.contract import (
    NO_TEXT_MODELS,
    Backlog,
    Cancel,
    Cancelled,
    Ending,
    Event,
    Heartbeat,
    Hello,
    Input,
    Interrupted,
    ModelCard,
    ModelsChanged,
    Paint,
    Ready,
    Rejected,
    TextModelCards,
    UpscalerCard,
    wire,
)

log = logging.getLogger(__name__)


class Endpoint(msgspec.Struct, frozen=True):
    """The address of an engine and the token that it requires."""

    host: str
    port: int
    token: str
    patience: float = 60.0
    """Seconds to connect, and for the answer to Hello."""
    is_remote: bool = False
    """Whether it is a cluster that runs by itself: it may be fine when the connection is lost."""

    def __repr__(self) -> str:
        return f"Endpoint({self.host}:{self.port})"


class _Pending(msgspec.Struct, eq=False):
    ending: asyncio.Future[Ending]
    on_event: EventCallback
    is_sent: bool = False
    """Whether the engine has the job, or is being sent it."""


class SocketEngineClient:
    """Implements EngineClient with one connection at a time.

    The supervisor opens the connection with `connect` and reads from it with `listen`. Jobs
    submitted while disconnected wait for the next connection.
    """

    def __init__(self) -> None:
        self._connection: wire.Connection[Event] | None = None
        self._connected = asyncio.Event()
        self._models: tuple[ModelCard, ...] = ()
        self._upscalers: tuple[UpscalerCard, ...] = ()
        self._can_film = False
        self._text_models = NO_TEXT_MODELS
        self._pending: dict[tuple[str, int], _Pending] = {}
        self._sending_job = asyncio.Lock()
        """Held while a job is sent: the engine keeps an input for the next job that lists it."""
        self._listeners: list[Callable[[], None]] = []
        self._restarts = 0
        self._replicas = 1
        self._is_cluster = False
        self._is_remote = False
        self._heartbeat: Heartbeat | None = None
        self._previous_heartbeat: Heartbeat | None = None
        """The sum of the counters of all engines before the connected one."""
        self.finished_jobs = 0

    @property
    def models(self) -> tuple[ModelCard, ...]:
        """The models of the connected engine, or of the last one that was connected; the cards
        change when LoRAs are added or removed."""
        if not self._models:
            raise RuntimeError("No engine has connected yet.")
        return self._models

    @property
    def upscalers(self) -> tuple[UpscalerCard, ...]:
        """Those of the connected engine, or of the last one that was connected."""
        return self._upscalers

    @property
    def can_film(self) -> bool:
        """That of the connected engine, or of the last one that was connected."""
        return self._can_film

    @property
    def text_models(self) -> TextModelCards:
        """Those of the connected engine, or of the last one that was connected."""
        return self._text_models

    @property
    def model(self) -> ModelCard:
        """The default model."""
        return self.models[0]

    @property
    def status(self) -> EngineStatus:
        """The state of the engine now."""
        return EngineStatus(
            is_connected=self._connected.is_set(),
            restarts=self._restarts,
            heartbeat=self._heartbeat,
            replicas=self._replicas,
            is_cluster=self._is_cluster,
        )

    @property
    def has_pending_jobs(self) -> bool:
        """Whether a submitted job is unfinished."""
        return bool(self._pending)

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever the engine connects or disconnects, or its number of replicas
        changes."""
        self._listeners.append(listener)

    async def submit(
        self, paint: Paint, on_event: EventCallback, files: Mapping[str, bytes] = NO_FILES
    ) -> Ending:
        """Run a job, after waiting for a connection if there is none, and return its ending.

        `on_event` is called with the events before the ending, in order. `files` has the input
        images that the job lists, by their digests. Raises EngineDied if the connection is lost
        before the job ends.
        """
        key = (paint.job, paint.attempt)
        pending = _Pending(asyncio.get_running_loop().create_future(), on_event)
        self._pending[key] = pending
        try:
            await self._connected.wait()
            await self._send_job(pending, paint, files)
            return await pending.ending
        except asyncio.CancelledError:
            if pending.is_sent:
                with suppress(EngineDied):
                    await self._send_cancel(*key)
            raise
        finally:
            del self._pending[key]

    async def cancel(self, job: str, attempt: int) -> None:
        """Ask the engine to stop a job; end one at once that the engine does not have."""
        pending = self._pending.get((job, attempt))
        if pending is None:
            return
        if pending.is_sent:
            try:
                await self._send_cancel(job, attempt)
            except EngineDied:
                log.info("The job was cancelled while the engine was gone.", extra={"job": job})
            else:
                return
        if not pending.ending.done():
            pending.ending.set_result(Cancelled(job=job, attempt=attempt))

    async def report_backlog(self, backlog: Backlog) -> None:
        """Tell a cluster how many jobs wait; does nothing while disconnected."""
        with suppress(EngineDied):
            await self._send(backlog)

    @asynccontextmanager
    async def connect(self, endpoint: Endpoint) -> AsyncIterator[None]:
        """Stay connected while the body runs; unfinished jobs then fail with EngineDied.

        Raises EngineDied or OSError if no connection can be made.
        """
        try:
            async with asyncio.timeout(endpoint.patience):
                reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
        except TimeoutError as error:
            raise EngineDied("it does not answer") from error
        async with wire.bot_side(reader, writer) as connection:
            ready = await _handshake(connection, endpoint)
            self._models, self._upscalers = ready.models, ready.upscalers
            self._can_film, self._text_models = ready.can_film, ready.text_models
            self._is_cluster = ready.replicas is not None
            self._is_remote = endpoint.is_remote
            self._replicas = 1 if ready.replicas is None else ready.replicas
            self._connection = connection
            log.info(
                "The engine is ready with %s on %s.",
                ", ".join(model.name for model in self._models),
                self._models[0].fingerprint,
            )
            self._connected.set()
            self._notify()
            try:
                yield
            finally:
                self._disconnected()

    async def listen(self, on_event: Callable[[Event], None]) -> str:
        """Handle events until the connection ends; returns the reason for its end.

        `on_event` is called first with each event.
        """
        if self._connection is None:
            return "it never connected"
        try:
            while (event := await self._connection.receive()) is not None:
                on_event(event)
                if isinstance(event, Rejected):
                    return event.reason
                self._handle(event)
        except (OSError, wire.WireError) as error:
            return str(error)
        return "it closed the connection"

    def _handle(self, event: Event) -> None:
        if isinstance(event, Heartbeat):
            self._heartbeat = event.plus(self._previous_heartbeat)
            if event.replicas is not None:
                self._set_replicas(sum(not replica.is_draining for replica in event.replicas))
            return
        if isinstance(event, ModelsChanged):
            self._models = event.models
            return
        if isinstance(event, Ready | Rejected):
            return
        pending = self._pending.get((event.job, event.attempt))
        if pending is None or pending.ending.done():
            return  # the attempt was superseded or cancelled
        if isinstance(event, Ending):
            self.finished_jobs += 1
            pending.ending.set_result(event)
        elif isinstance(event, Interrupted):
            reason = "The replica died." if event.crashed else "The replica has stopped."
            pending.ending.set_exception(EngineDied(reason, crashed=event.crashed))
        else:
            pending.on_event(event)

    def _set_replicas(self, replicas: int) -> None:
        if replicas != self._replicas:
            log.info("replicas of the engine: %d", replicas)
            self._replicas = replicas
            self._notify()

    def _disconnected(self) -> None:
        self._connected.clear()
        self._connection = None
        self._restarts += 1
        self._notify()
        self._previous_heartbeat, self._heartbeat = (
            self._heartbeat or self._previous_heartbeat,
            None,
        )
        for pending in self._pending.values():
            if not pending.ending.done():
                # a remote cluster says which jobs ran on a replica that crashed
                crashed = not self._is_remote
                pending.ending.set_exception(EngineDied("The engine died.", crashed=crashed))

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()

    async def _send_job(self, pending: _Pending, paint: Paint, files: Mapping[str, bytes]) -> None:
        async with self._sending_job:
            if pending.ending.done():  # it was cancelled while it waited
                return
            pending.is_sent = True
            for digest in paint.inputs:
                if digest in files:
                    await self._send(Input(sha256=digest, data=files[digest]))
            await self._send(paint)

    async def _send_cancel(self, job: str, attempt: int) -> None:
        async with self._sending_job:  # the engine ignores what comes before the job
            await self._send(Cancel(job=job, attempt=attempt))

    async def _send(self, command: Input | Paint | Cancel | Backlog) -> None:
        if self._connection is None:
            raise EngineDied("The engine is not connected.")
        try:
            await self._connection.send(command)
        except OSError as error:
            raise EngineDied("The engine closed the connection.") from error


async def _handshake(connection: wire.Connection[Event], endpoint: Endpoint) -> Ready:
    try:
        await connection.send(Hello(endpoint.token))
        answer = await asyncio.wait_for(connection.receive(), endpoint.patience)
    except TimeoutError as error:
        raise EngineDied("it does not answer") from error
    except (OSError, wire.WireError) as error:
        raise EngineDied(f"it closed the connection ({error})") from error
    if not isinstance(answer, Ready):
        reason = answer.reason if isinstance(answer, Rejected) else "it sent no Ready"
        raise EngineDied(reason)
    return answer
