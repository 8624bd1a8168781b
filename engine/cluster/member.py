"""What the gateway knows of one replica and of one job."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from engine.cluster.messages import ReplicaReport
from engine.cluster.placement import JobNeeds, ReplicaLoad
from engine.contract import Heartbeat, Paint, ReplicaStatus
from engine.server.job_server import EventSink


@dataclass(eq=False)
class ClusterJob:
    """A job that was submitted and has not ended."""

    paint: Paint
    emit: EventSink
    files: Mapping[str, bytes]
    member: "Member | None" = None
    """The replica where it runs."""
    call: str = ""
    """The name of its call there."""
    has_started: bool = False
    """Whether that replica has answered."""
    is_cancelled: bool = False
    has_ended: bool = False
    failed_starts: int = 0
    """The replicas that did not answer."""
    died_starts: int = 0
    """Those of them that died."""
    jobs_ahead: int = -1
    """As it was last reported."""
    task: asyncio.Task[None] | None = None

    @cached_property
    def needs(self) -> JobNeeds:
        """For its placement."""
        return JobNeeds(
            models=frozenset(work.model for work in self.paint.recipes),
            pictures=len(self.paint.recipes),
            is_alone=self.paint.is_alone,
            fingerprint=self.paint.fingerprint,
        )


@dataclass(eq=False)
class Member:
    """A replica."""

    name: str
    report: ReplicaReport | None = None
    """The latest one."""
    heartbeat: Heartbeat | None = None
    """The latest one, of a report or of the events of a job."""
    is_answering: bool = False
    """Whether it has answered the latest call."""
    problem: str = ""
    """Why it does not answer, as it was logged."""
    is_draining: bool = False
    """Whether it gets no more jobs, because it is stopping."""
    jobs: set[ClusterJob] = field(default_factory=set)
    reserved_for: ClusterJob | None = None
    """The job that must be alone and waits until this replica is idle."""
    polling: asyncio.Task[None] | None = None
    hand_back: asyncio.TimerHandle | None = None

    @property
    def is_usable(self) -> bool:
        """Whether it accepts jobs."""
        return self.is_answering and not self.is_draining

    @property
    def load(self) -> ReplicaLoad:
        """For the placement of jobs."""
        cards = () if self.report is None else self.report.models
        resident = () if self.heartbeat is None else self.heartbeat.resident
        is_alone = any(job.needs.is_alone for job in self.jobs)
        return ReplicaLoad(
            name=self.name,
            fingerprints={card.name: card.fingerprint for card in cards},
            warm=frozenset(resident).union(*(job.needs.models for job in self.jobs)),
            jobs=len(self.jobs),
            load=sum(job.needs.load for job in self.jobs),
            is_reserved=is_alone or self.reserved_for is not None,
        )

    @property
    def status(self) -> ReplicaStatus | None:
        """For the bot; None for a replica that cannot be used."""
        if self.report is None or self.heartbeat is None:
            return None
        if not self.is_answering and not self.is_draining:
            return None
        return ReplicaStatus(
            name=self.name,
            node=self.report.node,
            pid=self.report.pid,
            fingerprint=self.report.models[0].fingerprint,
            is_draining=self.is_draining,
            heartbeat=self.heartbeat,
        )

    def on_report(self, report: ReplicaReport) -> None:
        """The replica has answered."""
        self.report, self.heartbeat = report, report.heartbeat
        self.is_answering, self.problem = True, ""
