"""The engine on a socket: commands in, events out, for any number of connections."""

import asyncio
import contextlib
import hmac
import logging
import signal
import socket
import sys
from collections.abc import Callable
from typing import Final, TypeVar

from engine.contract import (
    CONTRACT_VERSION,
    PULSE_SECONDS,
    Cancel,
    Cancelled,
    Command,
    Event,
    Failed,
    Hello,
    Paint,
    Painted,
    Ready,
    Rejected,
)
from engine.contract.wire import CLOSING_SECONDS, Connection, WireError, command_side
from engine.core.engine_core import Painter
from engine.core.request import Ticket
from engine.core.worker import Worker
from engine.errors import EngineError, PortTaken
from engine.outbox import JobKey, Outbox

HELLO_WITHIN: Final = 10.0
"""Seconds that a new connection has to say who it is."""
HELLO_LIMIT: Final = 64 * 1024
"""Bytes of what it says first, which anybody on this machine may send and have kept."""
WAITING_LIMIT: Final = 256
"""Jobs of all connections; the bot keeps its own queue and sends few."""
UNREAD_LIMIT: Final = 256 * 2**20
"""Bytes of endings that may wait for one connection to read them: fifty jobs of large pictures."""
T = TypeVar("T")
log = logging.getLogger(__name__)


def bind(port: int) -> socket.socket:
    """Take the port on the loopback interface, 0 for any that is free. Raises PortTaken."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise PortTaken(f"Port {port} is not to be had: {error.strerror}.") from error


async def serve(listening: socket.socket, painter: Painter, token: str) -> None:
    """Serve until a signal says stop. Raises EngineError if nothing can be painted any more."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[None] = loop.create_future()

    def end(error: EngineError | None = None) -> None:
        if stop.done():
            return
        if error is None:
            stop.set_result(None)
        else:
            stop.set_exception(error)

    _on_signals(loop, end)
    worker = Worker(painter, lambda error: _soon(loop, end, error))
    desk = Reception(worker, Ready(painter.model.card), token)
    server = await asyncio.start_server(desk.welcome, sock=listening)
    port = listening.getsockname()[1]
    log.info("ready: %s, %s", painter.model.card.name, painter.model.card.fingerprint)
    sys.stdout.write(f"listening on 127.0.0.1:{port}\n")
    sys.stdout.flush()
    try:
        await stop
    finally:
        server.close()
        await desk.close()
        await asyncio.to_thread(worker.close)
        peak = painter.model.hardware.peak_memory()
        log.info("stopped%s", "" if peak is None else f"; peak memory {peak / 2**30:.1f} GiB")


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[T], object], what: T) -> None:
    """Call it in the loop's thread, unless the loop has ended."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call, what)


def _on_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))


class Reception:
    """Welcomes connections; each has its own jobs, which end when it goes."""

    def __init__(self, worker: Worker, ready: Ready, token: str) -> None:
        self._worker = worker
        self._ready = ready
        self._token = token
        self._visits: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """End all connections."""
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)

    async def welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends, or sends what is no message of ours."""
        visit = asyncio.current_task()
        if visit is not None:
            self._visits.add(visit)
            visit.add_done_callback(self._visits.discard)
        try:
            async with command_side(reader, writer) as connection:
                await self._serve(connection)
        except asyncio.CancelledError:  # by `close`; asyncio's streams would make a crash of it
            log.info("connection closed, for the engine stops")

    async def _serve(self, connection: Connection[Command]) -> None:
        try:
            await self._introduce(connection)
            await self._converse(connection)
        except WireError as error:
            log.warning("connection rejected: %s", error)
            with contextlib.suppress(OSError, TimeoutError):
                parting = connection.dismiss(Rejected(str(error)))
                await asyncio.wait_for(parting, CLOSING_SECONDS)
        except OSError as error:
            log.info("connection lost: %s", error)

    async def _introduce(self, connection: Connection[Command]) -> None:
        try:
            hello = await asyncio.wait_for(connection.receive(HELLO_LIMIT), HELLO_WITHIN)
        except TimeoutError as error:
            raise WireError("Say Hello first, with the token.") from error
        if not isinstance(hello, Hello):
            raise WireError("Say Hello first, with the token.")
        if not hmac.compare_digest(hello.token.encode(), self._token.encode()):
            raise WireError("The token is wrong.")
        if hello.version != CONTRACT_VERSION:
            raise WireError(
                f"You speak version {hello.version}; this engine speaks {CONTRACT_VERSION}."
            )
        await connection.send(self._ready)

    async def _converse(self, connection: Connection[Command]) -> None:
        visit = Visit(self._worker, connection.abort)
        sending = asyncio.create_task(visit.outbox.send_all(connection))
        beating = asyncio.create_task(visit.beat())
        try:
            while (command := await connection.receive()) is not None:
                visit.obey(command)
        finally:
            visit.end()
            beating.cancel()
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await sending


class Visit:
    """One connection's jobs. `give_up` closes it at once."""

    def __init__(self, worker: Worker, give_up: Callable[[], None]) -> None:
        self.outbox = Outbox()
        self._worker = worker
        self._give_up = give_up
        self._given_up = False
        self._loop = asyncio.get_running_loop()
        self._tickets: dict[JobKey, Ticket] = {}

    def obey(self, command: Command) -> None:
        """Do what was asked. Raises WireError if it makes no sense."""
        match command:
            case Paint():
                self._submit(command)
            case Cancel():
                ticket = self._tickets.get((command.job, command.attempt))
                if ticket is not None:
                    self._worker.cancel(ticket)
            case Hello():
                raise WireError("You have said Hello already.")

    async def beat(self) -> None:
        """Send a Pulse now and then, for ever."""
        while True:
            await asyncio.sleep(PULSE_SECONDS)
            self.outbox.put(self._worker.pulse())

    def end(self) -> None:
        """Nobody listens any more: stop painting for them."""
        for ticket in list(self._tickets.values()):
            self._worker.cancel(ticket)

    def _submit(self, job: Paint) -> None:
        key = job.job, job.attempt
        if key in self._tickets:
            raise WireError(f"Job {job.job}, attempt {job.attempt}, was sent twice.")
        if self._worker.waiting >= WAITING_LIMIT:
            full = f"The engine has {WAITING_LIMIT} jobs waiting. Try again in a while."
            self._put(Failed(job=job.job, attempt=job.attempt, reason=full))
            return
        log.info(
            "job taken",
            extra={"job": job.job, "attempt": job.attempt, "pictures": len(job.recipes)},
        )
        self._tickets[key] = self._worker.submit(job, self._report_later)

    def _report_later(self, event: Event) -> None:
        _soon(self._loop, self._hear, event)

    def _hear(self, event: Event) -> None:
        if isinstance(event, Painted | Failed | Cancelled):
            del self._tickets[event.job, event.attempt]
            ending = {"job": event.job, "attempt": event.attempt, **_told(event)}
            log.info("job ended", extra=ending)
        self._put(event)

    def _put(self, event: Event) -> None:
        if self._given_up:
            return
        self.outbox.put(event)
        if self.outbox.unread > UNREAD_LIMIT:
            self._given_up = True
            size = self.outbox.unread // 2**20
            log.warning("connection closed: it does not read, and %d MiB wait for it", size)
            self._give_up()


def _told(ending: Painted | Failed | Cancelled) -> dict[str, str | float]:
    match ending:
        case Painted():
            return {"ending": "painted", "seconds": round(ending.seconds, 3)}
        case Failed():
            return {"ending": "failed", "reason": ending.reason}
        case Cancelled():
            return {"ending": "cancelled"}
