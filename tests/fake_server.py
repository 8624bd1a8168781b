"""The protocol of the engine's server, without an engine: connections, the queue and cancelling."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from engine.contract import (
    HEARTBEAT_SECONDS,
    NO_TEXT_MODELS,
    PROTOCOL_VERSION,
    Backlog,
    Cancel,
    Cancelled,
    Command,
    Event,
    Failed,
    Heartbeat,
    Hello,
    Input,
    Interrupted,
    LastEvent,
    ModelCard,
    Paint,
    Queued,
    Ready,
    Rejected,
    ReplicaStatus,
    UpscalerCard,
)
from engine.contract.wire import CLOSING_SECONDS, Connection, WireError, engine_side

TOKEN = "a secret of two processes"  # noqa: S105 # a constant of the tests
MAX_HELLO_BYTES: Final = 64 * 1024
MAX_WAITING_JOBS: Final = 256
MAX_RUNNING: Final = 64
"""As the constants of the real server and engine core."""


class FakeJob:
    """A job of one connection; it sends nothing after its ending."""

    def __init__(
        self, paint: Paint, connection: Connection[Command], files: Mapping[str, bytes]
    ) -> None:
        self.paint = paint
        self.files = files
        """The input images that the connection has sent, by their digests."""
        self.task: asyncio.Task[None] | None = None
        """Paints it; None while it waits."""
        self.has_ended = False
        self._connection = connection

    async def send(self, event: Event) -> None:
        """Send an event, unless the job has ended or the connection is lost."""
        if not self.has_ended:
            self.has_ended = isinstance(event, LastEvent)
            with suppress(OSError):
                await self._connection.send(event)


UPSCALER = UpscalerCard(name="flat", revision="f" * 64, scales=(2, 4))


def is_display(paint: Paint) -> bool:
    """Whether a job enlarges pictures to be shown."""
    return paint.job.endswith("-display")


class FakeServer(ABC):
    """Runs as many jobs at once as the real engine, each in a task of `run_job`."""

    def __init__(self, *models: ModelCard, max_running: int = MAX_RUNNING) -> None:
        self.models = models
        self.upscalers: tuple[UpscalerCard, ...] = ()
        self.text_models = NO_TEXT_MODELS
        self.can_film = True
        """Whether it says that it can encode films."""
        self.paints: list[Paint] = []
        """The jobs that were received, but for those of the next two lists."""
        self.display_paints: list[Paint] = []
        """Those that enlarge the pictures of a job to be shown."""
        self.text_paints: list[Paint] = []
        """Those that write texts."""
        self.inputs: dict[str, bytes] = {}
        """All input images that were received, by their digests."""
        self.cancels: list[Cancel] = []
        """All Cancel commands that were received."""
        self.backlog: Backlog | None = None
        """The latest that was received."""
        self.replicas: int | None = None
        """In Ready; None for a single engine."""
        self.ignores_cancel = False
        """Whether it ignores Cancel."""
        self.heartbeat = Heartbeat(
            ticks=0, seconds=0.0, rows_total=0, rows_used=0, painting=0, waiting=0, memory=2**20
        )
        """Sent after Ready, every HEARTBEAT_SECONDS, and by `send_heartbeat`."""
        self.writers: set[asyncio.StreamWriter] = set()
        self._connections: set[Connection[Command]] = set()
        self._max_running = max_running
        self._waiting: list[FakeJob] = []
        self._running: list[FakeJob] = []

    @abstractmethod
    async def run_job(self, job: FakeJob) -> None:
        """Send the progress and the ending of a job."""

    @abstractmethod
    def cancelled(self, paint: Paint) -> Cancelled:
        """The ending of a running job that is cancelled."""

    @property
    def unfinished(self) -> int:
        """The number of jobs that run or wait."""
        return len(self._running) + len(self._waiting)

    async def send_heartbeat(self) -> None:
        """Send `heartbeat` on all connections."""
        for connection in self._connections:
            await connection.send(self.heartbeat)

    async def change_replicas(self, are_draining: Sequence[bool]) -> None:
        """Send a heartbeat with a replica for each item."""
        self.replicas = len(are_draining)
        single = msgspec.structs.replace(self.heartbeat, replicas=None)
        replicas = tuple(
            ReplicaStatus(
                name=f"replica-{nth}",
                node="127.0.0.1",
                pid=nth,
                fingerprint=self.models[0].fingerprint,
                is_draining=is_draining,
                heartbeat=single,
            )
            for nth, is_draining in enumerate(are_draining)
        )
        self.heartbeat = msgspec.structs.replace(self.heartbeat, replicas=replicas)
        await self.send_heartbeat()

    async def interrupt(self, job_id: str, *, crashed: bool) -> None:
        """End the attempt of a running job as a replica does that dies or hands the job back."""
        [job] = [job for job in self._running if job.paint.job == job_id]
        if job.task is not None:
            job.task.cancel()
        self._running.remove(job)
        await job.send(Interrupted(job=job_id, attempt=job.paint.attempt, crashed=crashed))
        await self._start_waiting()

    def die(self) -> None:
        """Close all connections during their jobs, as if the process was killed."""
        for job in self._running:
            if job.task is not None:
                job.task.cancel()
        self._running.clear()
        self._waiting.clear()
        for writer in self.writers:
            writer.transport.abort()

    async def serve_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one connection until it closes or sends an invalid message."""
        self.writers.add(writer)
        async with engine_side(reader, writer) as connection:
            try:
                await self._handshake(connection)
                await self._serve(connection)
            except WireError as error:
                with suppress(OSError, TimeoutError):
                    closing = connection.close_with(Rejected(str(error)))
                    await asyncio.wait_for(closing, CLOSING_SECONDS)
            except OSError:
                pass
        self.writers.discard(writer)

    async def _handshake(self, connection: Connection[Command]) -> None:
        hello = await connection.receive(MAX_HELLO_BYTES)
        if not isinstance(hello, Hello):
            raise WireError("The first message must be Hello, with the token.")
        if hello.token != TOKEN:
            raise WireError("The token is wrong.")
        if hello.version != PROTOCOL_VERSION:
            raise WireError(
                f"The protocol version is {hello.version}; this engine has {PROTOCOL_VERSION}."
            )
        await connection.send(
            Ready(self.models, self.upscalers, self.can_film, self.replicas, self.text_models)
        )

    async def _serve(self, connection: Connection[Command]) -> None:
        jobs: dict[tuple[str, int], FakeJob] = {}
        files: dict[str, bytes] = {}
        self._connections.add(connection)
        heartbeats = asyncio.create_task(self._send_heartbeats(connection))
        try:
            while (command := await connection.receive()) is not None:
                if isinstance(command, Hello):
                    raise WireError("Hello was already received.")
                if isinstance(command, Input):
                    files[command.sha256] = self.inputs[command.sha256] = command.data
                    continue
                if isinstance(command, Backlog):
                    self.backlog = command
                    continue
                key = command.job, command.attempt
                previous = jobs.get(key)
                match command:
                    case Paint():
                        if previous is not None and not previous.has_ended:
                            raise WireError(f"Job {key[0]}, attempt {key[1]}, was sent twice.")
                        jobs[key] = FakeJob(command, connection, files)
                        await self._submit(jobs[key])
                    case Cancel():
                        self.cancels.append(command)
                        if previous is not None and not self.ignores_cancel:
                            await self._cancel(previous)
        finally:
            self._connections.discard(connection)
            heartbeats.cancel()
            for job in jobs.values():
                await self._cancel(job)

    async def _send_heartbeats(self, connection: Connection[Command]) -> None:
        with suppress(OSError):
            while True:
                await connection.send(self.heartbeat)
                await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _submit(self, job: FakeJob) -> None:
        paints = self.display_paints if is_display(job.paint) else self.paints
        (paints if job.paint.text is None else self.text_paints).append(job.paint)
        if len(self._waiting) >= MAX_WAITING_JOBS:
            reason = f"{MAX_WAITING_JOBS} jobs are waiting, which is the limit. Try again later."
            await job.send(Failed(job=job.paint.job, attempt=job.paint.attempt, reason=reason))
            return
        self._waiting.append(job)
        await self._report_positions()
        await self._start_waiting()

    async def _cancel(self, job: FakeJob) -> None:
        """End a job, unless it has ended."""
        if job.has_ended:
            return
        if job in self._waiting:
            self._waiting.remove(job)
            await job.send(Cancelled(job=job.paint.job, attempt=job.paint.attempt))
            await self._report_positions()
        elif job in self._running and job.task is not None:
            job.task.cancel()
            self._running.remove(job)
            await job.send(self.cancelled(job.paint))
            await self._start_waiting()

    async def _start_waiting(self) -> None:
        """Start the waiting jobs for which there are slots."""
        free_slots = self._max_running - sum(len(job.paint.recipes) for job in self._running)
        has_started = False
        while self._waiting and free_slots > 0:
            job = self._waiting.pop(0)
            free_slots -= len(job.paint.recipes)
            self._running.append(job)
            job.task = asyncio.create_task(self._run(job))
            has_started = True
        if has_started:
            await self._report_positions()

    async def _report_positions(self) -> None:
        for jobs_ahead, job in enumerate(list(self._waiting)):
            paint = job.paint
            await job.send(Queued(job=paint.job, attempt=paint.attempt, jobs_ahead=jobs_ahead))

    async def _run(self, job: FakeJob) -> None:
        await self.run_job(job)
        self._running.remove(job)
        await self._start_waiting()
