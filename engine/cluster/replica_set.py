"""The replicas of a cluster as one job server: places jobs, runs them and watches the replicas."""

import asyncio
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine, Hashable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Final

from engine.cluster.backlogs import Backlogs
from engine.cluster.member import ClusterJob, Member
from engine.cluster.messages import GatewayNote, OtherVersion, ReplicaReport
from engine.cluster.placement import Place, place
from engine.cluster.replica_calls import ReplicaCalls, ReplicaDied, ReplicaUnavailable
from engine.cluster.totals import NOTHING, total
from engine.contract import (
    HEARTBEAT_SECONDS,
    Backlog,
    Cancelled,
    Event,
    Heartbeat,
    Interrupted,
    LastEvent,
    Paint,
    Queued,
)
from engine.contract.watchdog import SILENCE_SECONDS
from engine.errors import first_line
from engine.server.job_server import EventSink

START_SECONDS: Final = 10.0
"""How long a replica may take to answer the start of a job; then another one gets it."""
REPORT_SECONDS: Final = 10.0
"""How long it may take to answer any other call; then it gets no jobs until it answers one."""
WAITING_JOBS: Final = 256
"""So many jobs of each replica may wait, as at a single engine."""
MAX_FAILED_STARTS: Final = 3
"""A job that so many replicas did not accept is given back to the bot."""
log = logging.getLogger(__name__)


class ReplicaSet:
    """A JobServer. All methods must be called in one event loop."""

    def __init__(
        self,
        calls: ReplicaCalls,
        on_change: Callable[[], None],
        *,
        drain_seconds: float,
        start_seconds: float = START_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
        report_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        """`on_change` is called when a replica has joined, changed or left. A replica that stops
        may finish its jobs for `drain_seconds`; it is asked for a report every `report_seconds`."""
        self._calls = calls
        self._on_change = on_change
        self._drain_seconds = drain_seconds
        self._start_seconds = start_seconds
        self._silence_seconds = silence_seconds
        self._report_seconds = report_seconds
        self._started_at = time.time_ns()
        self._members: dict[str, Member] = {}
        self._waiting: deque[ClusterJob] = deque()
        self._backlogs = Backlogs()
        self._ended = NOTHING
        """The counters of the replicas that have ended."""
        self._call_numbers = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def members(self) -> tuple[Member, ...]:
        """The replicas that accept jobs, in the order in which they joined."""
        return tuple(member for member in self._members.values() if member.is_usable)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why replicas that are running do not accept jobs, a sentence each."""
        return tuple(member.problem for member in self._members.values() if member.problem)

    @property
    def waiting(self) -> int:
        """Number of jobs that no replica has yet."""
        return len(self._waiting)

    @property
    def max_waiting(self) -> int:
        """The largest number of such jobs: bots send more to more replicas."""
        return WAITING_JOBS * max(1, len(self._members))

    def heartbeat(self) -> Heartbeat:
        """The sum of the heartbeats of all replicas so far."""
        members = self._members.values()
        statuses = tuple(member.status for member in members)
        return total(
            [member.heartbeat for member in members if member.heartbeat is not None],
            self._ended,
            waiting=self.waiting,
            replicas=tuple(status for status in statuses if status is not None),
        )

    def submit(self, job: Paint, emit: EventSink, files: Mapping[str, bytes]) -> ClusterJob:
        """Place a job, or queue it until a replica can have it."""
        cluster_job = ClusterJob(job, emit, files)
        self._waiting.append(cluster_job)
        self._place_waiting()
        if cluster_job.member is None:
            self._report_position(cluster_job, len(self._waiting) - 1)
        return cluster_job

    def cancel(self, job: ClusterJob) -> None:
        """End a job with Cancelled: at once if it waits, else before the next forward pass."""
        if job.is_cancelled or job.has_ended:
            return
        job.is_cancelled = True
        if job.member is None:
            self._waiting.remove(job)
            self._end(job, _cancelled(job))
            self._place_waiting()
            self._report_positions()
        elif job.has_started:
            self._spawn(self._cancel(job, job.member))
        # else `_run` cancels it when the replica has answered

    def on_backlog(self, bot: Hashable, backlog: Backlog) -> None:
        """A bot's queue, which replicas learn of with the next request for a report."""
        self._backlogs.update(bot, backlog, asyncio.get_running_loop().time())

    def set_routable(self, names: Iterable[str]) -> None:
        """The replicas that calls can reach now; others that have jobs are draining."""
        routable = set(names)
        for name in sorted(routable):
            member = self._members.setdefault(name, Member(name))
            if member.polling is None:
                self._join(member)
        for member in list(self._members.values()):
            if member.name not in routable and not member.is_draining:
                self._drain(member)
        self._place_waiting()
        self._on_change()

    async def close(self) -> None:
        """Hand all jobs back and stop calling replicas."""
        for member in list(self._members.values()):
            self._hand_back(member)
        for job in list(self._waiting):
            self._end(job, _interrupted(job, crashed=False))
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Replicas

    async def _poll(self, member: Member) -> None:
        while True:
            try:
                async with asyncio.timeout(REPORT_SECONDS):
                    note = GatewayNote(gateway=self._started_at, backlog=self._total_backlog())
                    report = await self._calls.report(member.name, note)
            except (ReplicaDied, ReplicaUnavailable, OtherVersion, TimeoutError) as error:
                self._on_silence(member, str(error) or "The replica does not answer.")
            except Exception as error:  # top level of the task: it must go on
                log.exception("replica %s cannot be asked for a report", member.name)
                self._on_silence(member, first_line(error))
            else:
                self._on_report(member, report)
            await asyncio.sleep(self._report_seconds)

    def _on_report(self, member: Member, report: ReplicaReport) -> None:
        before = member.report.models if member.report and member.is_answering else None
        if not member.is_answering:
            log.info("replica ready: %s on %s, process %d", member.name, report.node, report.pid)
        member.on_report(report)
        self._place_waiting()
        if report.models != before:
            self._on_change()

    def _on_silence(self, member: Member, problem: str) -> None:
        if problem != member.problem:
            log.warning("replica %s gets no jobs: %s", member.name, problem)
        was_answering, member.is_answering, member.problem = member.is_answering, False, problem
        if was_answering:
            self._on_change()

    def _join(self, member: Member) -> None:
        member.is_draining = False
        member.polling = self._spawn(self._poll(member))
        if member.hand_back is not None:  # the router had lost it for a while
            member.hand_back.cancel()

    def _drain(self, member: Member) -> None:
        member.is_draining = True
        if member.polling is not None:
            member.polling.cancel()
            member.polling = None
        if member.jobs:
            log.info("replica %s is stopping with %d jobs", member.name, len(member.jobs))
            loop = asyncio.get_running_loop()
            member.hand_back = loop.call_later(self._drain_seconds, self._hand_back, member)
        self._remove_if_done(member)

    def _hand_back(self, member: Member) -> None:
        for job in member.jobs:
            if job.task is not None:
                job.task.cancel()

    def _remove_if_done(self, member: Member) -> None:
        if not member.is_draining or member.jobs or self._members.get(member.name) is not member:
            return
        if member.hand_back is not None:
            member.hand_back.cancel()
        del self._members[member.name]
        log.info("replica gone: %s", member.name)
        if member.heartbeat is not None:
            self._ended = member.heartbeat.plus(self._ended)
        self._on_change()

    def _total_backlog(self) -> Backlog:
        """With the jobs that wait here."""
        now = asyncio.get_running_loop().time()
        return self._backlogs.total(now, waiting=len(self._waiting))

    # Jobs

    def _place_waiting(self) -> None:
        """Start the waiting jobs that have a place, first those that came first."""
        if not self._waiting:
            return
        members = {member.name: member for member in self.members}
        loads = {name: member.load for name, member in members.items()}
        unplaced = set()
        started = False
        for job in list(self._waiting):
            reserved = [member for member in members.values() if member.reserved_for is job]
            needs = job.needs
            if reserved:
                decision = None if reserved[0].jobs else Place(reserved[0].name)
            elif needs._replace(pictures=0) in unplaced:
                continue
            else:
                decision = place(needs, list(loads.values()))
            if decision is None:
                unplaced.add(needs._replace(pictures=0))
                continue
            member = members[decision.replica]
            if decision.starts_now:
                self._start(job, member)
                started = True
            else:
                self._release(job)
                member.reserved_for = job
            loads[member.name] = member.load
        if started:
            self._report_positions()

    def _start(self, job: ClusterJob, member: Member) -> None:
        self._waiting.remove(job)
        self._release(job)
        job.member, job.has_started = member, False
        job.call = f"{self._started_at}-{next(self._call_numbers)}"
        member.jobs.add(job)
        job.task = self._spawn(self._run(job, member))

    def _release(self, job: ClusterJob) -> None:
        for member in self._members.values():
            if member.reserved_for is job:
                member.reserved_for = None

    async def _run(self, job: ClusterJob, member: Member) -> None:
        """Run a job on a replica up to its last event, or queue it again if it has not started."""
        last_event: Event | None = None
        try:
            last_event = await self._follow(job, member)
        except (ReplicaUnavailable, TimeoutError) as error:
            last_event = self._on_interruption(job, member, error, died=False)
        except ReplicaDied as error:
            last_event = self._on_interruption(job, member, error, died=True)
        except asyncio.CancelledError:
            last_event = _cancelled(job) if job.is_cancelled else _interrupted(job, crashed=False)
        except Exception:  # top level of the task: the job must end
            log.exception("the events of a job cannot be read", extra={"job": job.paint.job})
            last_event = _interrupted(job, crashed=True)
        finally:
            member.jobs.discard(job)
            job.member = job.task = None
            self._remove_if_done(member)
        if last_event is None:
            self._waiting.appendleft(job)
        else:
            self._end(job, last_event)
        self._place_waiting()

    async def _follow(self, job: ClusterJob, member: Member) -> Event:
        loop = asyncio.get_running_loop()
        stream = self._calls.paint(member.name, job.call, job.paint, job.files)
        async with aclosing(stream) as batches:
            async with asyncio.timeout(self._start_seconds) as timeout:
                async for events in batches:
                    timeout.reschedule(loop.time() + self._silence_seconds)
                    if not job.has_started:
                        job.has_started = True
                        if job.is_cancelled:
                            self._spawn(self._cancel(job, member))
                    for event in events:
                        if isinstance(event, Heartbeat):
                            member.heartbeat = event
                        elif isinstance(event, LastEvent):
                            return event
                        else:
                            job.emit(event)
        raise ReplicaDied("The replica has sent no ending.")

    def _on_interruption(
        self, job: ClusterJob, member: Member, error: Exception, *, died: bool
    ) -> Event | None:
        """The last event of a job that its replica did not end; None to place it again."""
        text = first_line(error) if str(error) else "The replica does not answer."
        log.warning("job interrupted: %s", text, extra={"job": job.paint.job})
        self._on_silence(member, text)
        if job.is_cancelled:
            return _cancelled(job)
        if job.has_started:
            return _interrupted(job, crashed=died)
        job.failed_starts += 1
        job.died_starts += died
        if job.died_starts > 1:
            return _interrupted(job, crashed=True)
        if job.failed_starts >= MAX_FAILED_STARTS:
            return _interrupted(job, crashed=False)
        return None

    async def _cancel(self, job: ClusterJob, member: Member) -> None:
        """Ask the replica; if it cannot be asked, stop listening, which cancels the job too."""
        if not member.is_draining and await self._can_cancel(job, member):
            return
        if job.task is not None:
            job.task.cancel()

    async def _can_cancel(self, job: ClusterJob, member: Member) -> bool:
        try:
            async with asyncio.timeout(REPORT_SECONDS):
                await self._calls.cancel(member.name, job.call)
        except (ReplicaDied, ReplicaUnavailable, TimeoutError):
            return False
        except Exception:  # top level of the task: the job must end
            log.exception("a job cannot be cancelled", extra={"job": job.paint.job})
            return False
        return True

    def _end(self, job: ClusterJob, last_event: Event) -> None:
        self._release(job)
        job.has_ended = True
        job.emit(last_event)

    def _report_positions(self) -> None:
        for jobs_ahead, job in enumerate(self._waiting):
            self._report_position(job, jobs_ahead)

    def _report_position(self, job: ClusterJob, jobs_ahead: int) -> None:
        if job.jobs_ahead != jobs_ahead:
            job.jobs_ahead = jobs_ahead
            job.emit(Queued(job=job.paint.job, attempt=job.paint.attempt, jobs_ahead=jobs_ahead))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _interrupted(job: ClusterJob, *, crashed: bool) -> Interrupted:
    return Interrupted(job=job.paint.job, attempt=job.paint.attempt, crashed=crashed)


def _cancelled(job: ClusterJob) -> Cancelled:
    return Cancelled(job=job.paint.job, attempt=job.paint.attempt)
