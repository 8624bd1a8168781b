"""Replicas that paint nothing: tests decide what each of them answers."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Final

from engine.cluster.messages import GatewayNote, OtherVersion, ReplicaReport
from engine.cluster.replica_calls import ReplicaDied, ReplicaUnavailable
from engine.contract import Completed, Event, Heartbeat, Paint, Queued
from tests.fake_engine import MODEL

HEARTBEAT: Final = Heartbeat(
    ticks=1, seconds=0.5, rows_total=4, rows_used=2, painting=1, waiting=0, resident=(MODEL.name,)
)


class FakeReplica:
    """One replica, and what it was sent."""

    def __init__(self) -> None:
        self.answers = True
        """Whether it answers at all."""
        self.accepts_jobs = True
        """Whether it answers the start of a job."""
        self.is_dead = False
        self.version_error = ""
        """Why its reports cannot be read."""
        self.unknown_error: Exception | None = None
        """What calls of it raise that no implementation should."""
        self.heartbeat = HEARTBEAT
        self.notes: list[GatewayNote] = []
        self.jobs: list[str] = []
        """All jobs that it has got."""
        self.running: dict[str, asyncio.Queue[list[Event] | None]] = {}
        """The events to send, by job; None for the death of the replica."""
        self.cancelled: list[str] = []
        """The jobs whose calls were cancelled."""
        self.abandoned: list[str] = []
        """The jobs to whose events nobody listened up to their ends."""

    def send(self, job: str, *events: Event) -> None:
        """Send events of a job."""
        self.running[job].put_nowait(list(events))

    def complete(self, job: str) -> None:
        """End a job."""
        self.send(job, Completed(job=job, attempt=1, seconds=1.0, engine_seconds=1.0))

    def die(self) -> None:
        """End its process."""
        self.is_dead = True
        for events in self.running.values():
            events.put_nowait(None)


class FakeReplicas:
    """ReplicaCalls to replicas by name."""

    def __init__(self, *names: str) -> None:
        self.by_name = {name: FakeReplica() for name in names}
        self._jobs: dict[str, str] = {}

    def __getitem__(self, name: str) -> FakeReplica:
        return self.by_name[name]

    async def paint(
        self, name: str, call: str, job: Paint, files: Mapping[str, bytes]
    ) -> AsyncGenerator[list[Event], None]:
        """See ReplicaCalls."""
        replica = await self._reach(name)
        replica.jobs.append(job.job)
        if not replica.accepts_jobs:
            raise TimeoutError
        self._jobs[call] = job.job
        queue = replica.running[job.job] = asyncio.Queue()
        try:
            yield [Queued(job=job.job, attempt=job.attempt, jobs_ahead=0)]
            while (events := await queue.get()) is not None:
                yield events
                if isinstance(events[-1], Completed):
                    return
            raise ReplicaDied("It was killed.")
        finally:
            if not replica.is_dead and not queue.empty():
                replica.abandoned.append(job.job)
            del replica.running[job.job]

    async def cancel(self, name: str, call: str) -> None:
        """See ReplicaCalls."""
        (await self._reach(name)).cancelled.append(self._jobs[call])

    async def report(self, name: str, note: GatewayNote) -> ReplicaReport:
        """See ReplicaCalls."""
        replica = await self._reach(name)
        if replica.version_error:
            raise OtherVersion(replica.version_error)
        replica.notes.append(note)
        return ReplicaReport(
            node="127.0.0.1",
            pid=7,
            models=(MODEL,),
            upscalers=(),
            can_film=False,
            heartbeat=replica.heartbeat,
        )

    async def _reach(self, name: str) -> FakeReplica:
        if name not in self.by_name:
            raise ReplicaUnavailable(f"{name} is not available.")
        replica = self.by_name[name]
        if replica.unknown_error is not None:
            raise replica.unknown_error
        if replica.is_dead:
            raise ReplicaDied("It is dead.")
        if not replica.answers:
            await asyncio.Event().wait()
        return replica
